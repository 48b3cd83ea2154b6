// The focus when a page of a list is turned.
import { useLayoutEffect, useRef } from 'preact/hooks'

/**
 * The link to the next page goes with its page, and the focus with the link: it is moved to what heads the list. A filter or a
 * choice that turned the page stays, and keeps the focus.
 * @param {string | undefined} place of the page that is shown
 * @returns {{ current: HTMLElement | null }} the `ref` of what heads the list; it needs `tabindex="-1"`
 */
export function useFocusAtTurn(place) {
  const head = useRef(/** @type {HTMLElement | null} */ (null))
  const shown = useRef(place)
  // Before the next key can be pressed.
  useLayoutEffect(() => {
    if (shown.current === place) return
    shown.current = place
    if (document.activeElement === document.body) head.current?.focus()
  }, [place])
  return head
}
