// Pages that change while they are looked at. Lists change row by row; what has the attribute data-refresh, as a whole.
import { highlight, parse, same, swap, typed } from './swap.js'
import { localTimes } from './look.js'

const GATHER = 60 // milliseconds that changes are gathered for
const MANY = 40 // rows, beyond which the whole list is asked for
const SOON = 3000
const LATER = 20000

const lists = () => [...document.querySelectorAll('[data-list]')]
const parts = () => [...document.querySelectorAll('[data-refresh]')]

const pending = new Map() // position by key of rows that have changed
let whole = 0 // position that the page must be asked for anew; 0: it need not
let busy = false
let timer

// follow lets the page change with what connect tells.
export function follow (connect) {
  connect(hear)
  document.addEventListener('shop:sent', () => anew(1))
  document.addEventListener('focusout', caughtUp)
  for (const list of lists()) tidy(list)
  look()
  if (!('EventSource' in window)) setInterval(() => anew(1), 5000)
}

// What has changed beneath somebody who typed is asked for again when that is over.
const wait = node => { node.dataset.waits = 'true' }
function caughtUp () {
  const waiting = [...document.querySelectorAll('[data-waits]')]
  for (const node of waiting) delete node.dataset.waits
  if (waiting.length) setTimeout(() => anew(1)) // the focus is elsewhere by then
}

const later = () => { timer ??= setTimeout(act, GATHER) }

function anew (position) {
  whole = Math.max(whole, position)
  later()
}

function hear (m) {
  if (m.kind === 'state') return connected(m.on)
  if (m.kind === 'again') return anew(1)
  const list = lists().find(l => l.dataset.view === m.view)
  const listening = parts().filter(p => p.dataset.refresh.split(' ').includes(m.view))
  if (m.kind === 'put' || m.kind === 'removed') {
    if (list) pending.set(m.key, Math.max(pending.get(m.key) || 0, m.position))
    if (listening.some(p => !p.dataset.key || p.dataset.key === m.key)) whole = Math.max(whole, m.position)
    if (list || whole) later()
  } else if (m.kind === 'reset') {
    if (list || listening.length) anew(1)
  } else if (list && m.position > Number(list.dataset.position) || listening.length && !list && first(m)) {
    anew(m.position)
  }
}

// first tells whether this is how far a view had come when the page was connected: since it was made something may have
// happened that nobody will tell.
const greeted = new Set()
function first (m) {
  if (greeted.has(m.view)) return false
  greeted.add(m.view)
  return true
}

let lost
function connected (on) {
  const place = document.getElementById('connection')
  clearTimeout(lost)
  document.documentElement.dataset.live = String(on)
  if (on) {
    place.hidden = true
    place.textContent = ''
    return
  }
  lost = setTimeout(() => { place.hidden = false; place.textContent = 'Not connected. Trying again …' }, 2000)
}

async function act () {
  timer = undefined
  if (busy) return
  busy = true
  try {
    const list = lists()[0]
    if (whole || pending.size > MANY) {
      const position = Math.max(whole, ...pending.values())
      whole = 0
      pending.clear()
      await reload(position)
    } else if (list && pending.size) {
      const wanted = new Map(pending)
      pending.clear()
      await rows(list, wanted)
    }
  } catch {
    if (!whole) whole = 1
    setTimeout(later, SOON)
  }
  busy = false
  if (pending.size || whole) later()
}

// ask gets something that knows of a position.
async function ask (url, position) {
  const headers = { Accept: 'text/html' }
  if (position > 1) headers['Deed-Position'] = String(position)
  const answer = await fetch(url, { headers, cache: 'no-store' })
  if (!answer.ok && answer.status !== 404) throw new Error(String(answer.status))
  return { ok: answer.ok, page: parse(await answer.text()) }
}

// rows puts changed rows in their places.
async function rows (list, wanted) {
  const query = new URLSearchParams([...wanted.keys()].map(key => ['key', key]))
  const url = list.dataset.rows + (list.dataset.rows.includes('?') ? '&' : '?') + query
  const { ok, page } = await ask(url, Math.max(...wanted.values()))
  if (!ok) throw new Error('no rows')
  const fresh = new Map([...page.querySelectorAll('tr[data-key]')].map(tr => [tr.dataset.key, tr]))
  const told = { changed: 0, added: 0, removed: 0 }
  for (const key of wanted.keys()) place(list, key, fresh.get(key), told)
  lag(page)
  tidy(list)
  announce(told)
}

const body = list => list.querySelector('tbody')
const rowOf = (list, key) => [...body(list).rows].find(tr => tr.dataset.key === key)
const order = (a, b) => a.dataset.at === b.dataset.at ? (a.dataset.key < b.dataset.key ? 1 : -1) : (a.dataset.at < b.dataset.at ? 1 : -1)

// place puts one row where it belongs, or takes it away.
function place (list, key, fresh, told) {
  const old = rowOf(list, key)
  if (!fresh) {
    if (old && typed(old)) return old.classList.add('gone')
    if (old) { old.remove(); told.removed++ }
    return
  }
  if (old) {
    if (Number(fresh.dataset.position) < Number(old.dataset.position)) return
    if (change(old, fresh)) told.changed++
    return
  }
  const all = [...body(list).rows]
  const next = all.findIndex(tr => order(fresh, tr) < 0)
  if (next < 0 && 'more' in list.dataset || next === 0 && 'later' in list.dataset) return // it stands on another page
  const row = document.adoptNode(fresh)
  localTimes(row)
  body(list).insertBefore(row, next < 0 ? null : all[next])
  highlight(row)
  told.added++
}

// change puts the cells of a row in the places of old ones, but for those that somebody types in.
function change (old, fresh) {
  let changed = false
  const now = [...fresh.cells]
  for (const [i, cell] of [...old.cells].entries()) {
    if (!now[i] || same(cell, now[i])) continue
    if (typed(cell)) { wait(old); continue }
    swap(cell, now[i])
    changed = true
  }
  for (const name of ['at', 'position']) old.dataset[name] = fresh.dataset[name]
  old.className = fresh.className
  if (changed) highlight(old)
  return changed
}

// tidy shows the table, or that there is nothing in it; a page that has grown long is asked for anew.
function tidy (list) {
  const n = body(list).rows.length
  list.querySelector('table').hidden = n === 0
  list.querySelector('[data-empty]').hidden = n > 0
  if (n > 2 * Number(list.dataset.limit)) anew(1)
}

// reload asks for the whole page, and puts its parts in the places of those that are there.
async function reload (position) {
  const { ok, page } = await ask(location.href, position)
  if (!ok) return gone()
  document.title = page.title
  for (const list of lists()) {
    const fresh = page.getElementById(list.id)
    if (fresh) renew(list, fresh)
  }
  for (const part of parts()) {
    const fresh = page.getElementById(part.id)
    if (!fresh) { if (!typed(part)) part.replaceChildren(); continue }
    if (same(part, fresh)) continue
    if (typed(part)) { wait(part); continue }
    highlight(swap(part, fresh))
  }
  lag(page)
}

// renew makes a list what the shop says now.
function renew (list, fresh) {
  const told = { changed: 0, added: 0, removed: 0 }
  const keep = new Set()
  const shown = body(list)
  for (const tr of [...fresh.querySelectorAll('tbody > tr')]) {
    keep.add(tr.dataset.key)
    const old = rowOf(list, tr.dataset.key)
    if (old) {
      if (Number(tr.dataset.position) >= Number(old.dataset.position) && change(old, tr)) told.changed++
      shown.append(old)
    } else {
      const row = document.adoptNode(tr)
      localTimes(row)
      shown.append(row)
      highlight(row)
      told.added++
    }
  }
  for (const tr of [...shown.rows]) {
    if (keep.has(tr.dataset.key)) continue
    if (typed(tr)) { tr.classList.add('gone'); continue }
    tr.remove()
    told.removed++
  }
  for (const name of ['position', 'rows']) list.dataset[name] = fresh.dataset[name]
  for (const name of ['more', 'later']) list.toggleAttribute('data-' + name, fresh.hasAttribute('data-' + name))
  const pager = list.querySelector('.pager'); const next = fresh.querySelector('.pager')
  if (pager && next) { if (!same(pager, next)) swap(pager, next) } else if (next) list.append(document.adoptNode(next)); else pager?.remove()
  tidy(list)
  announce(told)
}

function gone () {
  const notice = document.querySelector('[data-notice]')
  if (!notice || notice.querySelector('[data-gone]')) return
  const p = document.createElement('p')
  p.className = 'notice bad'
  p.dataset.gone = 'true'
  p.textContent = 'What this page shows is not there any more.'
  notice.replaceChildren(p)
}

let saying; const said = { changed: 0, added: 0, removed: 0 }
// announce tells who does not see the rows how many are new.
function announce (told) {
  for (const kind in said) said[kind] += told[kind]
  if (saying || !Object.values(said).some(n => n)) return
  saying = setTimeout(() => {
    saying = undefined
    const words = Object.entries(said).filter(([, n]) => n).map(([kind, n]) => `${n} ${n === 1 ? 'row' : 'rows'} ${kind}`)
    for (const kind in said) said[kind] = 0
    document.getElementById('announce').textContent = words.join(', ')
  }, 1000)
}

// lag shows how far behind the log the page is, as a page that was just asked for says.
function lag (page) {
  for (const fresh of page.querySelectorAll('[data-behind]')) {
    const old = document.getElementById(fresh.id)
    if (!old) continue
    old.hidden = fresh.hidden
    old.dataset.events = fresh.dataset.events
    if (old.textContent !== fresh.textContent) old.textContent = fresh.textContent
  }
}

// look asks from time to time how far behind the page is: often while it is, and else seldom.
function look () {
  const places = [...document.querySelectorAll('[data-behind]')]
  const behind = places.some(p => Number(p.dataset.events) > 0)
  setTimeout(async () => {
    if (!document.hidden) {
      for (const p of places) {
        try { lag((await ask('/ui/behind/' + encodeURIComponent(p.dataset.behind), 0)).page) } catch { /* the connection says so */ }
      }
    }
    look()
  }, behind ? SOON : LATER)
}
