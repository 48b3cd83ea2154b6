// Where the page begins. Loaded by index.html.
import { render } from 'preact'
import { App } from './app.js'
import { startClock } from './clock.js'
import { html } from './html.js'
import { followAddress } from './route.js'
import { followSystem } from './theme.js'

followAddress()
followSystem()
startClock()
const page = document.getElementById('page')
if (page) render(html`<${App} />`, page)
