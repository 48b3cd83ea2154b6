// The beginning of the page. Loaded by index.html.
import { render } from 'preact'
import { App } from './app.js'
import { html } from './html.js'
import { followAddress } from './route.js'
import { startClock } from './state/clock.js'
import { followSystem } from './state/theme.js'

followAddress()
followSystem()
startClock()
const page = document.getElementById('page')
if (page) render(html`<${App} />`, page)
