// A line without axes, on a scale of its own: the shape of a count beside its number. Decoration: the number says it in text.
import { html } from '../html.js'

const width = 120
const height = 28

/** @param {{ counts: readonly number[], colour: string }} props `colour`: name of a custom property */
export function Sparkline({ counts, colour }) {
  const most = Math.max(1, ...counts)
  const step = width / Math.max(1, counts.length - 1)
  const points = counts.map(
    (count, i) => `${(i * step).toFixed(1)},${(height - 2 - (count / most) * (height - 4)).toFixed(1)}`,
  )
  return html`<svg class="sparkline" viewBox=${`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true">
    <polyline points=${points.join(' ')} fill="none" stroke=${`var(${colour})`} vector-effect="non-scaling-stroke" />
  </svg>`
}
