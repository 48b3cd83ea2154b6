// Keys for what is done often. They work only outside of fields, without modifiers, and can be switched off (WCAG 2.1.4).

import { go, linkTo } from './route.js'
import { observable } from './state/observable.js'
import { toggleTheme } from './state/theme.js'

const name = 'cardea.shortcuts'

/** Whether single keys do anything. */
export const shortcutsOn = observable(globalThis.localStorage?.getItem(name) !== 'off')

/** Whether the list of keys is shown. */
export const shortcutsShown = observable(false)

/** Views by the key after `g`. @type {Record<string, string>} */
export const viewKeys = { n: 'now', s: 'signals', u: 'sessions', e: 'events', k: 'system' }

let isGoing = false

/** @param {boolean} on */
export function setShortcuts(on) {
  localStorage.setItem(name, on ? 'on' : 'off')
  shortcutsOn.set(on)
}

/** Listens to keys. @returns {() => void} ends it */
export function followKeys() {
  document.addEventListener('keydown', onKey)
  return () => document.removeEventListener('keydown', onKey)
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (!shortcutsOn.get() || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return
  if (document.querySelector('dialog[open]')) return
  const wasGoing = isGoing
  isGoing = event.key === 'g' && !wasGoing
  if (wasGoing) return goTo(event)
  if (event.key === '?') shortcutsShown.set(true)
  else if (event.key === 't') toggleTheme()
  else if (event.key === '/') search(event)
}

/** @param {KeyboardEvent} event */
function goTo(event) {
  const view = viewKeys[event.key]
  if (view) go(linkTo([view]))
}

/** @param {KeyboardEvent} event */
function search(event) {
  event.preventDefault()
  const field = document.getElementById('search')
  if (field) field.focus()
  else go(linkTo(['sessions']))
}

/** @param {EventTarget | null} target */
function isTyping(target) {
  return target instanceof Element && target.closest('input, select, textarea, [contenteditable]') !== null
}
