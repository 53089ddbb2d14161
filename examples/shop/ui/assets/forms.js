// Forms sent in place: the answer is the page that would be led to, or the page with the form and why it was refused.
import { parse, swap } from './swap.js'
import { localTimes } from './look.js'

export function sendInPlace () {
  document.addEventListener('submit', e => {
    const form = e.target.closest('form[data-form]')
    if (!form) return
    e.preventDefault()
    if (!form.dataset.busy) send(form)
  })
  const notice = document.querySelector('[data-notice] p')
  if (notice && /[?&]done=/.test(location.search)) {
    const url = new URL(location.href)
    for (const name of ['done', 'of']) url.searchParams.delete(name)
    history.replaceState(null, '', url) // loaded again, the page does not say it again
  }
}

async function send (form) {
  const button = form.querySelector('[data-submit]')
  const sent = new URLSearchParams(new FormData(form))
  form.dataset.busy = 'true'
  button?.setAttribute('aria-busy', 'true')
  try {
    const answer = await fetch(form.action, { method: 'POST', body: sent, headers: { Accept: 'text/html', Prefer: 'return=representation' } })
    const page = parse(await answer.text())
    delete form.dataset.busy
    show(form, page, answer.ok, sent)
  } catch {
    say(form, 'The shop cannot be reached. Nothing that was typed is lost; send it again in a moment.')
  } finally {
    delete form.dataset.busy
    button?.removeAttribute('aria-busy')
  }
}

// show puts what was answered in the place of the form.
function show (form, page, ok, sent) {
  const notice = page.querySelector('[data-notice]')
  const fresh = page.getElementById(form.id)
  const changed = edited(form, sent)
  if (changed && fresh) form.elements.key.value = fresh.elements.key.value // what is typed now is another request
  if (ok) {
    const here = document.querySelector('[data-notice]')
    if (notice && here) here.replaceChildren(...document.adoptNode(notice).childNodes)
    if (!changed) {
      const fold = form.closest('details.folded, details.new')
      if (fresh) swap(form, fresh).reset()
      else { // there is nothing more to send: what was typed is done
        form.classList.remove('refused')
        form.reset()
      }
      if (fold) { fold.open = false; fold.querySelector('summary')?.focus() }
    }
    document.dispatchEvent(new CustomEvent('shop:sent'))
    here?.scrollIntoView({ block: 'nearest' })
    return
  }
  if (fresh && !changed) {
    const now = swap(form, fresh)
    const wrong = now.querySelector('[aria-invalid=true]') || now.querySelector('[data-submit]')
    wrong?.focus()
    return
  }
  const text = notice?.textContent.trim() || page.querySelector('#fault p')?.textContent || 'That did not work.'
  say(form, text)
  document.dispatchEvent(new CustomEvent('shop:sent'))
}

// edited tells whether somebody went on typing while the form was under way.
function edited (form, sent) {
  return [...new FormData(form)].some(([name, value]) => typeof value === 'string' && sent.get(name) !== value)
}

// say tells on the form itself what went wrong.
function say (form, text) {
  const place = form.querySelector(':scope > .error')
  if (!place) return
  place.hidden = false
  place.textContent = text
  form.classList.add('refused')
  localTimes(form)
}
