// Times in the reader's zone, and how pages look.

const pad = n => String(n).padStart(2, '0')
const minute = t => `${t.getFullYear()}-${pad(t.getMonth() + 1)}-${pad(t.getDate())} ${pad(t.getHours())}:${pad(t.getMinutes())}`

function zoneOf (t) {
  const part = new Intl.DateTimeFormat('en', { timeZoneName: 'short' }).formatToParts(t).find(p => p.type === 'timeZoneName')
  return part ? part.value : ''
}

// localTimes writes the times below a node in the zone of the reader; the title has the zone, and UTC.
export function localTimes (node) {
  for (const e of node.querySelectorAll('time[datetime]:not([data-local])')) {
    const t = new Date(e.getAttribute('datetime'))
    if (isNaN(t)) continue
    e.dataset.local = 'true'
    const utc = e.title
    e.textContent = minute(t)
    e.title = `${minute(t)}:${pad(t.getSeconds())} ${zoneOf(t)} (${utc})`
  }
  const zone = document.getElementById('zone')
  if (zone) zone.textContent = Intl.DateTimeFormat().resolvedOptions().timeZone || 'your zone'
}

const themes = 'BroadcastChannel' in window ? new BroadcastChannel('shop-theme') : null

function wear (theme) {
  document.documentElement.dataset.theme = theme
  for (const b of document.querySelectorAll('#theme button')) b.setAttribute('aria-pressed', String(b.value === theme))
}

// themeInPlace changes how all pages that are open look, and keeps it for the next.
export function themeInPlace () {
  document.getElementById('theme').addEventListener('submit', e => {
    if (!e.submitter) return
    e.preventDefault()
    const theme = e.submitter.value
    wear(theme)
    document.cookie = `theme=${theme}; path=/ui/; max-age=31536000; samesite=lax`
    themes?.postMessage(theme)
  })
  if (themes) themes.onmessage = e => wear(e.data)
}

// unfold opens what a link leads to.
export function unfold () {
  const open = id => {
    const fold = document.getElementById(id)
    if (!(fold instanceof HTMLDetailsElement)) return false
    fold.open = true
    fold.querySelector('input:not([type=hidden]), textarea, select, summary')?.focus()
    return true
  }
  document.addEventListener('click', e => {
    const link = e.target.closest?.('a[data-unfold]')
    if (link && open(link.dataset.unfold)) e.preventDefault()
  })
  const wanted = () => { try { open(decodeURIComponent(location.hash.slice(1))) } catch { /* no id of ours */ } }
  addEventListener('hashchange', wanted)
  if (location.hash) wanted()
}
