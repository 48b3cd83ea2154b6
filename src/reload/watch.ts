// The watch over the config, which is read anew on SIGHUP, and when a file that it was read from changes, however that is
// done: written in place, replaced by a rename, or behind a link that is moved (a ConfigMap). One reload at a time.
import { createHash } from 'node:crypto'
import { watch } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import { readBoundedFile } from '../../plugins/files/bounded-file.ts'
import type { Config } from '../config/index.ts'

export interface ReloadingOptions {
  /** The log to speak to now. */
  log: () => FastifyBaseLogger
  /** Absolute paths of the files that the config is made from, now; the config file first. */
  files: () => readonly string[]
  /** Reads the config. @throws Error that says what is wrong with it */
  read: () => Config
  /** Serves by a config. @throws Error that says why nothing has changed */
  use: (config: Config) => Promise<void>
}

/** A file is written in several steps; what is seen in between is not meant. */
const debounceMs = 100
/** Files that never stand still are read as they are in the end. */
const maxRounds = 50

/** Reloads when it is asked to, for the life of the process. */
export class Reloading {
  readonly #options: ReloadingOptions
  readonly #watched = new Set<string>()
  #seen: string
  /** Whether there has been a config file with something in it. */
  #isWritten: boolean
  #debounce: NodeJS.Timeout | undefined
  #isBusy = false
  #isWanted = false

  private constructor(options: ReloadingOptions) {
    this.#options = options
    this.#seen = this.#fingerprint()
    this.#isWritten = !this.#isBlank()
  }

  /** Begins to listen and to look. */
  static start(options: ReloadingOptions): Reloading {
    const reloading = new Reloading(options)
    process.on('SIGHUP', () => void reloading.#run())
    reloading.#watchFolders()
    return reloading
  }

  async #run(): Promise<void> {
    if (this.#isBusy) {
      this.#isWanted = true
      return
    }
    this.#isBusy = true
    try {
      await this.#options.use(await this.readWhole())
      this.#options.log().info('the config was read anew and holds from now on')
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error)
      this.#options.log().error({ detail }, 'the config was read anew and cannot be used; everything stays as it is')
    }
    this.#isBusy = false
    this.#watchFolders()
    if (this.#isWanted || this.#fingerprint() !== this.#seen) {
      this.#isWanted = false
      await this.#run()
    }
  }

  /**
   * Reads the config once its files have stood still. Whoever sends a signal may be writing still, or again: a half of a list of
   * routes is a list of routes, and mistakes may be those of the moment.
   * @throws Error that says what is wrong with it
   */
  async readWhole(): Promise<Config> {
    for (let rounds = 1; ; rounds += 1) {
      this.#seen = this.#fingerprint()
      await delay(debounceMs)
      const stoodStill = () => rounds === maxRounds || this.#fingerprint() === this.#seen
      try {
        this.#requireWritten()
        const config = this.#options.read()
        if (stoodStill()) return config
      } catch (error) {
        if (stoodStill()) throw error
      }
    }
  }

  // Folders, not files: a file that is replaced is another one, and the watch would stay with the old.
  #watchFolders(): void {
    for (const folder of new Set(this.#options.files().map((file) => dirname(file)))) {
      if (this.#watched.has(folder)) continue
      try {
        watch(folder, { persistent: false }, () => this.#lookSoon()).on('error', () => this.#watched.delete(folder))
        this.#watched.add(folder)
      } catch (err) {
        this.#options.log().warn({ err, folder }, 'this folder cannot be watched; SIGHUP reloads')
      }
    }
  }

  #lookSoon(): void {
    clearTimeout(this.#debounce)
    this.#debounce = setTimeout(() => {
      if (this.#fingerprint() !== this.#seen) void this.#run()
    }, debounceMs).unref()
  }

  #fingerprint(): string {
    const hash = createHash('sha256')
    for (const file of this.#options.files()) hash.update(`${file}\n`).update(contentOf(file)).update('\n')
    return hash.digest('base64url')
  }

  // A file that is empty or gone is one that is being written, or that a full disk has cut: nobody means by it that nothing is to
  // be forwarded any more.
  #requireWritten(): void {
    const isBlank = this.#isBlank()
    if (isBlank && this.#isWritten) {
      throw new Error(`${this.#options.files()[0]} is empty or gone: write \`routes: []\` to forward nothing`)
    }
    this.#isWritten = !isBlank
  }

  #isBlank(): boolean {
    const [file = ''] = this.#options.files()
    return ['', absent].includes(contentOf(file).toString().trim())
  }
}

const absent = 'absent'
/** More than any file may have that the config or a document is made of. */
const watchedLimitBytes = 64 * 1024 * 1024

function contentOf(file: string): Buffer | string {
  try {
    return readBoundedFile(file, watchedLimitBytes)
  } catch {
    return absent
  }
}
