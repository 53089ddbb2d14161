// What comes from the shop put in place of what is there, without taking anything from who is typing.
import { localTimes } from './look.js'

// typed tells whether somebody has typed below a node, or sends it just now, or is told there what was wrong.
export function typed (node) {
  for (const e of node.querySelectorAll('input:not([type=hidden]), textarea')) {
    if (e.value !== e.defaultValue) return true
  }
  for (const e of node.querySelectorAll('select')) {
    if ([...e.options].some(o => o.selected !== o.defaultSelected) && e.selectedIndex > 0) return true
  }
  return node.querySelector('form[data-busy], form.refused') !== null || node.matches('form[data-busy]') ||
    document.activeElement?.matches('input, textarea, select') && node.contains(document.activeElement)
}

// parse reads a page or a part of one.
export const parse = text => new DOMParser().parseFromString(text, 'text/html')

// swap puts fresh in the place of old, with the same things unfolded, and the focus where it was.
export function swap (old, fresh) {
  fresh = document.adoptNode(fresh)
  const focus = old.contains(document.activeElement) ? document.activeElement : null
  for (const d of old.querySelectorAll('details[id][open]')) {
    const same = fresh.querySelector('#' + CSS.escape(d.id))
    if (same) same.open = true
  }
  localTimes(fresh)
  old.replaceWith(fresh)
  if (focus) again(fresh, focus)?.focus({ preventScroll: true })
  return fresh
}

// again finds the element that stands for one that is gone.
function again (node, gone) {
  if (gone.id) return document.getElementById(gone.id)
  const fold = gone.closest('form[id], details[id]')
  const place = fold && document.getElementById(fold.id)
  return place ? place.querySelector(gone.matches('summary') ? 'summary' : 'button') : node.querySelector('a, button')
}

// highlight shows for a moment that something is new.
export function highlight (node) {
  node.classList.remove('fresh')
  void node.offsetWidth // so that it begins anew
  node.classList.add('fresh')
  setTimeout(() => node.classList.remove('fresh'), 2600)
}

// same tells whether two nodes say the same: the keys of forms are never the same.
export function same (a, b) {
  const plain = node => {
    const copy = node.cloneNode(true)
    for (const e of copy.querySelectorAll('input[name=key]')) e.remove()
    for (const e of copy.querySelectorAll('details')) e.removeAttribute('open')
    for (const e of copy.querySelectorAll('time')) { e.removeAttribute('title'); e.removeAttribute('data-local'); e.textContent = '' }
    return copy.innerHTML.replace(/\s+/g, ' ')
  }
  return plain(a) === plain(b)
}
