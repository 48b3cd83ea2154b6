// The environment of the processes that tests start.
import { devNull } from 'node:os'
import { fileURLToPath } from 'node:url'

/** Node keeps what it compiled here, so that of dozens of processes only the first one compiles everything. */
const compileCache = fileURLToPath(new URL('../../../.tap/compile-cache', import.meta.url))

/**
 * The environment of a process: nothing of the developer's own shell or config file may turn a setting there.
 * @param settings what the test sets
 */
export function processEnvironment(settings: Record<string, string> = {}): NodeJS.ProcessEnv {
  const { PATH, HOME } = process.env
  return { PATH, HOME, NODE_COMPILE_CACHE: compileCache, CARDEA_CONFIG: devNull, ...settings }
}

/**
 * The environment of npm: this process's own, but for the folder of this project's programs. npm looks for the settings of its
 * machine (where packages and certificates are) beside the Node that runs it, and this project's Node has none.
 */
export function npmEnvironment(): NodeJS.ProcessEnv {
  const folders = (process.env['PATH'] ?? '').split(':').filter((folder) => !folder.endsWith('node_modules/.bin'))
  return { ...process.env, PATH: folders.join(':'), NODE_OPTIONS: undefined }
}
