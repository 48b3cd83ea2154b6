// Light or dark: the system's preference until the operator chooses. The choice is kept in this browser; first-paint.js
// applies it before anything is drawn.
import { observable } from './observable.js'

const name = 'cardea.theme'
const prefersDark = globalThis.matchMedia?.('(prefers-color-scheme: dark)')

/** `light` or `dark`, as it is drawn now. */
export const theme = observable(drawnTheme())

/** Follows the system's preference while nothing is chosen. */
export function followSystem() {
  prefersDark?.addEventListener('change', () => theme.set(drawnTheme()))
}

/** Changes to the other one, and keeps that. */
export function toggleTheme() {
  const next = theme.get() === 'dark' ? 'light' : 'dark'
  document.documentElement.dataset['theme'] = next
  localStorage.setItem(name, next)
  theme.set(next)
}

/** @returns {'light' | 'dark'} */
function drawnTheme() {
  const chosen = globalThis.document?.documentElement.dataset['theme']
  if (chosen === 'light' || chosen === 'dark') return chosen
  return prefersDark?.matches ? 'dark' : 'light'
}
