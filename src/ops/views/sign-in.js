// The page's own door: user name and password, what went wrong, and nothing else. The password is not kept anywhere.
import { useEffect, useRef, useState } from 'preact/hooks'
import { html } from '../html.js'
import { signIn } from '../state/operator.js'

/** @param {{ note: string | undefined }} props why the operator is here again */
export function SignIn({ note }) {
  const [state, setState] = useState({ isAsking: false, problem: note })
  const name = useRef(/** @type {HTMLInputElement | null} */ (null))
  useEffect(() => name.current?.focus(), [])

  const submit = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault()
    if (!(event.currentTarget instanceof HTMLFormElement)) return
    const fields = new FormData(event.currentTarget)
    setState({ isAsking: true, problem: undefined })
    const problem = await signIn(String(fields.get('username')), String(fields.get('password')))
    setState({ isAsking: false, problem })
  }
  return html`<main class="door" id="content">
    <form class="door-form" onSubmit=${submit}>
      <h1 class="brand brand-large"><img src="mark.svg" alt="" width="36" height="36" />Cardea</h1>
      <p class="door-lead">What are the refresh tokens doing? For users with the role <code>admin</code> or <code>operator</code>.</p>
      <label class="field"
        ><span>User name</span>
        <input name="username" autocomplete="username" autocapitalize="none" spellcheck=${false} required ref=${name} />
      </label>
      <label class="field"
        ><span>Password</span>
        <input name="password" type="password" autocomplete="current-password" required />
      </label>
      <p class="door-refusal" role="alert">${state.problem}</p>
      <button type="submit" class="button button-main" disabled=${state.isAsking}>
        ${state.isAsking ? 'Signing in…' : 'Sign in'}
      </button>
    </form>
  </main>`
}
