// A notice where nothing else stands yet: loading, nothing there, something went wrong. An empty place says what would be in
// it and how it gets there.
import { html } from '../html.js'

/** @param {{ title: string, children?: unknown }} props */
export function Empty({ title, children }) {
  return html`<div class="empty"><p class="empty-title">${title}</p>${children && html`<p>${children}</p>`}</div>`
}

/** @param {{ error: Error, retry?: () => void }} props */
export function Failure({ error, retry }) {
  return html`<div class="failure" role="alert">
    <p>${error.message}</p>
    ${retry && html`<button type="button" class="button" onClick=${retry}>Try again</button>`}
  </div>`
}

/** Bars in the place of what is coming, so that nothing moves when it does. @param {{ rows?: number }} props */
export function Loading({ rows = 3 }) {
  return html`<div class="loading" aria-busy="true">
    <span class="unseen">Loading</span>
    ${Array.from({ length: rows }, (_, i) => html`<span class="loading-bar" key=${i}></span>`)}
  </div>`
}

/**
 * The value once it is there; until then, what is known about it. An error beside an old value is shown above it.
 * @template T
 * @param {{ loaded: import('../state/loading.js').Loaded<T>, rows?: number, draw: (value: T) => unknown }} props
 */
export function WhenLoaded({ loaded, rows = 3, draw }) {
  const { value, error, reload } = loaded
  const failure = error && html`<${Failure} error=${error} retry=${reload} />`
  if (value === undefined) return failure ?? html`<${Loading} rows=${rows} />`
  return html`${failure}${draw(value)}`
}
