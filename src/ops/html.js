// The page's templates: `html` makes elements of Preact out of a tagged literal. What is put into one is text or a property,
// never markup; there is no other way into the document.
import htm from 'htm'
import { h } from 'preact'

/** @type {(strings: TemplateStringsArray, ...values: unknown[]) => import('preact').VNode} */
// @ts-expect-error htm's own type knows a list of roots as well; every template here has one.
export const html = htm.bind(h)
