// The view that is drawn: the door while nobody is signed in, else the view of the address. Going live begins and ends with
// the operator's session.
import { useEffect } from 'preact/hooks'
import { html } from './html.js'
import { linkTo, route } from './route.js'
import { goLive, stopLive } from './state/live.js'
import { useObservable } from './state/observable.js'
import { operator } from './state/operator.js'
import { EventsView } from './views/events.js'
import { Frame } from './views/frame.js'
import { NowView } from './views/now.js'
import { SessionView } from './views/session.js'
import { SessionsView } from './views/sessions.js'
import { SignIn } from './views/sign-in.js'
import { SignalsView } from './views/signals.js'
import { SystemView } from './views/system.js'

/** The whole page. */
export function App() {
  const current = useObservable(operator)
  if (current.state === 'signed-out') return html`<${SignIn} note=${current.note} />`
  return html`<${SignedIn} key=${current.sub} sub=${current.sub} />`
}

/** @param {{ sub: string }} props */
function SignedIn({ sub }) {
  const place = useObservable(route)
  useEffect(() => {
    goLive()
    return stopLive
  }, [])
  const { title, view } = viewOf(place)
  return html`<${Frame} step=${place.steps[0]} title=${title} place=${place.steps.join('/')} sub=${sub}>${view}<//>`
}

/** @param {import('./route.js').Route} place */
function viewOf({ steps: [step, sid], query }) {
  switch (step) {
    case 'now':
      return { title: 'Now', view: html`<${NowView} />` }
    case 'signals':
      return { title: 'Signals', view: html`<${SignalsView} query=${query} />` }
    case 'sessions':
      if (sid) return { title: 'Session', view: html`<${SessionView} key=${sid} sid=${sid} />` }
      return { title: 'Sessions', view: html`<${SessionsView} query=${query} />` }
    case 'events':
      return { title: 'Events', view: html`<${EventsView} query=${query} />` }
    case 'system':
      return { title: 'System', view: html`<${SystemView} />` }
    default:
      return {
        title: 'No such view',
        view: html`<p>There is nothing here. <a href=${linkTo(['now'])}>What is happening now?</a></p>`,
      }
  }
}
