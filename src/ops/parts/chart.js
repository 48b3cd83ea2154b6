// Refreshes by outcome as stacked bars, drawn by uPlot on a canvas. A row of words under it says what the pointer is on; the
// view shows the same numbers as a table. A reuse is marked above its bar, however small it is beside the others.
import { useEffect, useRef, useState } from 'preact/hooks'
import uPlot from 'uplot'
import { html } from '../html.js'
import { clock } from '../state/clock.js'
import { countsOf, sentenceOf, shortCount, timesOf } from '../state/history.js'
import { useObservable } from '../state/observable.js'
import { theme } from '../state/theme.js'
import { localTime } from '../words/moments.js'
import { outcomes, reasonsOf } from '../words/reasons.js'

const heightPx = 240
const clockFace = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })

/** @param {{ history: import('../state/wire.ts').CountHistoryView, window: string }} props */
export function OutcomeChart({ history, window }) {
  const place = useRef(/** @type {HTMLDivElement | null} */ (null))
  const chart = useRef(/** @type {uPlot | undefined} */ (undefined))
  const [hovered, setHovered] = useState(/** @type {number | undefined} */ (undefined))
  const drawnTheme = useObservable(theme)
  const counts = outcomes.map(({ key }) => countsOf(history, reasonsOf(key)))
  const times = timesOf(history)

  useEffect(() => {
    if (!place.current) return
    const own = new uPlot(optionsFor(place.current, setHovered), stacked(times, counts), place.current)
    chart.current = own
    const observer = new ResizeObserver(([entry]) => {
      if (entry) own.setSize({ width: Math.floor(entry.contentRect.width), height: heightPx })
    })
    observer.observe(place.current)
    return () => {
      observer.disconnect()
      own.destroy()
    }
  }, [drawnTheme])
  useEffect(() => chart.current?.setData(stacked(times, counts)), [history])

  return html`<figure class="chart">
    <div class="chart-place" role="img" aria-label=${sentenceOf(history, window)} ref=${place}></div>
    <figcaption class="chart-words">${wordsAt(hovered, times, counts)}</figcaption>
  </figure>`
}

/**
 * Each series holds the sum of itself and all that stand below it; the tallest is drawn first.
 * @param {number[]} times
 * @param {number[][]} counts
 * @returns {uPlot.AlignedData}
 */
function stacked(times, counts) {
  let below = times.map(() => 0)
  const sums = counts.map((column) => {
    below = below.map((height, i) => height + (column[i] ?? 0))
    return below
  })
  return [times, ...sums.reverse()]
}

/**
 * @param {HTMLElement} place
 * @param {(index: number | undefined) => void} setHovered
 * @returns {uPlot.Options}
 */
function optionsFor(place, setHovered) {
  const colour = coloursOf(place)
  const bars = uPlot.paths.bars?.({ size: [0.82, 40], gap: 0 })
  const axis = { stroke: colour('--ink-soft'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false } }
  const series = [...outcomes].reverse().map(({ title, colour: name }) => ({
    label: title,
    fill: colour(name),
    width: 0,
    points: { show: false },
    ...(bars && { paths: bars }),
  }))
  return {
    width: Math.max(200, place.clientWidth),
    height: heightPx,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
    padding: [12, 16, 0, 0],
    scales: {
      // Half a step more at either end, so that no bar is cut.
      x: { range: (own, least, most) => [least - halfStep(own), most + halfStep(own)] },
      y: { range: (_chart, _least, most) => [0, Math.max(4, most * 1.12)] },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        font: '12px system-ui',
        size: 28,
        space: 64,
        values: (_own, at) => at.map(hourAndMinute),
      },
      { ...axis, size: 48, font: '12px system-ui', values: (_own, at) => at.map(shortCount) },
    ],
    series: [{}, ...series],
    hooks: {
      setCursor: [(own) => setHovered(own.cursor.idx ?? undefined)],
      draw: [(own) => markReuses(own, colour('--reused'))],
    },
  }
}

/** @param {uPlot} own */
function halfStep({ data: [times] }) {
  return ((times[1] ?? 0) - (times[0] ?? 0)) / 2
}

/** @param {number} seconds */
function hourAndMinute(seconds) {
  return clockFace.format(seconds * 1000)
}

/**
 * @param {uPlot} own
 * @param {string} colour
 */
function markReuses(own, colour) {
  const [times = [], all = [], others = []] = own.data
  own.ctx.save()
  own.ctx.fillStyle = colour
  const size = 5 * devicePixelRatio
  for (const [i, at] of times.entries()) {
    if ((all[i] ?? 0) <= (others[i] ?? 0)) continue
    const [x, y] = [own.valToPos(at, 'x', true), own.valToPos(all[i] ?? 0, 'y', true) - 3 * devicePixelRatio]
    own.ctx.beginPath()
    own.ctx.moveTo(x, y)
    own.ctx.lineTo(x - size, y - size * 1.6)
    own.ctx.lineTo(x + size, y - size * 1.6)
    own.ctx.fill()
  }
  own.ctx.restore()
}

/**
 * A canvas knows no custom properties: what one is worth here is asked of the style engine.
 * @param {HTMLElement} place
 * @returns {(name: string) => string}
 */
function coloursOf(place) {
  return (name) => {
    const probe = document.createElement('span')
    probe.style.color = `var(${name})`
    place.append(probe)
    const { color } = getComputedStyle(probe)
    probe.remove()
    return color
  }
}

/**
 * @param {number | undefined} index
 * @param {number[]} times
 * @param {number[][]} counts
 */
function wordsAt(index, times, counts) {
  const at = index === undefined ? undefined : times[index]
  const parts = outcomes.map(({ key, title, colour, means }, i) => {
    const count = at === undefined ? '' : ` ${(counts[i]?.[index ?? 0] ?? 0).toLocaleString()}`
    return html`<span key=${key} class="chart-key" title=${means}
      ><svg class="swatch" viewBox="0 0 10 10" aria-hidden="true"><rect width="10" height="10" rx="2" fill=${`var(${colour})`} /></svg
      >${title}${count}</span
    >`
  })
  return html`${parts}<span class="chart-time">${at === undefined ? '' : localTime(at * 1000, clock.get())}</span>`
}
