// One connection for all pages of a browser that are open: a host is given six over HTTP/1.1, and a page that follows changes
// holds one. The page that has the lock listens to the shop and tells the others; when it goes, another has the lock.

const VIEWS = ['orders', 'confirmation-requests', 'customers', 'customer-report', 'users', 'campaigns', 'classifications']
const LOCK = 'shop-changes'
const FIRST = 500 // milliseconds before the first new try
const LONGEST = 15000

// connect calls tell with {kind: 'put' | 'removed', view, key, position}, {kind: 'at', view, position} for how far what is
// told has come, {kind: 'reset', view}, {kind: 'state', on}, and {kind: 'again'} after a time in which nothing was told.
export function connect (tell) {
  if (!('EventSource' in window)) return
  if ('locks' in navigator && 'BroadcastChannel' in window) share(tell)
  else alone(tell)
}

// listen follows the shop from an event on, and comes again when it is cut off. It returns how to stop.
function listen (last, hear) {
  let source; let timer; let wait = FIRST; let over = false
  const open = () => {
    const query = new URLSearchParams(VIEWS.map(v => ['view', v]))
    if (last) query.set('last-event-id', last)
    source = new EventSource('/api/changes?' + query)
    const on = kind => source.addEventListener(kind, e => {
      if (e.lastEventId) last = e.lastEventId
      wait = FIRST
      const { view, key, position } = JSON.parse(e.data)
      hear({ kind: kind === 'snapshot' ? 'at' : kind, view, key, position, last })
    })
    for (const kind of ['snapshot', 'put', 'removed', 'reset']) on(kind)
    source.onopen = () => { wait = FIRST; hear({ kind: 'state', on: true, last }) }
    source.onerror = () => {
      hear({ kind: 'state', on: false, last })
      // A new connection of the browser's own would begin where the address says, and not where this one was.
      source.close()
      if (over) return
      timer = setTimeout(open, wait * (0.75 + Math.random() / 2))
      wait = Math.min(2 * wait, LONGEST)
    }
  }
  open()
  return () => { over = true; clearTimeout(timer); source.close() }
}

function share (tell) {
  let leave = join(tell)
  addEventListener('pagehide', () => leave())
  addEventListener('pageshow', e => {
    if (!e.persisted) return
    leave = join(tell)
    tell({ kind: 'again' }) // nobody told this page anything while it was away
  })
}

// join becomes one of the pages that share the connection. It returns how to leave.
function join (tell) {
  const channel = new BroadcastChannel(LOCK)
  const me = crypto.randomUUID()
  const reached = {} // position by view, as far as this page was told
  let last = ''
  let leads = false
  let on = false
  const take = m => {
    if (m.last) last = m.last
    if (m.position) reached[m.view] = Math.max(reached[m.view] || 0, m.position)
    if (m.kind === 'state') on = m.on
    tell(m)
  }
  channel.onmessage = ({ data: m }) => {
    if (m.kind === 'hello') { // a page that was opened: how far is it told?
      if (leads) channel.postMessage({ kind: 'welcome', to: m.from, reached, last, on })
    } else if (m.kind === 'welcome') {
      if (m.to !== me) return
      take({ kind: 'state', on: m.on, last: m.last })
      for (const [view, position] of Object.entries(m.reached)) take({ kind: 'at', view, position })
    } else {
      take(m)
    }
  }
  channel.postMessage({ kind: 'hello', from: me })
  const left = new AbortController()
  let release
  const held = new Promise(resolve => { release = resolve })
  navigator.locks.request(LOCK, { signal: left.signal }, async () => {
    leads = true
    const stop = listen(last, m => { channel.postMessage(m); take(m) })
    await held
    stop()
  }).catch(e => { if (e.name !== 'AbortError') alone(tell) })
  return () => { release(); left.abort(); channel.close() }
}

// alone listens for this page only, while it is looked at.
function alone (tell) {
  let stop; let last = ''
  const look = () => {
    if (document.hidden) { stop?.(); stop = null } else stop ||= listen(last, m => { last = m.last || last; tell(m) })
  }
  document.addEventListener('visibilitychange', look)
  addEventListener('pagehide', () => { stop?.(); stop = null })
  addEventListener('pageshow', look)
  look()
}
