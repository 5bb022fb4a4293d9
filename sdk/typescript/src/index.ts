/**
 * A client of nexterm servers.
 *
 * @module
 */
import { Connection, type CallOptions, type Options } from './call.js'
import { NextermError } from './error.js'
import { sleep } from './retry.js'
import { Services } from './services.gen.js'
import { watch, type StateUpdate } from './watch.js'

export type { CallOptions, Options, WebSocketConstructor } from './call.js'
export { NextermError, type ErrorKind } from './error.js'
export * from './services.gen.js'
export type * from './types.gen.js'
export { version } from './version.js'
export type { StateUpdate } from './watch.js'

export interface LoginOptions extends Omit<Options, 'token'>, CallOptions {
  /** Asks for a code from the account's authenticator app, if the account needs one. */
  totp?: (() => string | Promise<string>) | undefined
}

/** How long the device flow waits before it asks again, in milliseconds. */
const pollPause = 2000

/** Calls the API of one server, as one account or as nobody. */
export class Nexterm extends Services {
  readonly #connection: Connection

  /** Makes a client of the server at an address such as `https://nexterm.example.com`. It sends nothing. */
  constructor(url: string | URL, options: Options = {}) {
    const connection = new Connection(url, options)
    super((call, options) => connection.send(call, options))
    this.#connection = connection
  }

  /** Signs in with username and password. `logout` ends the session. */
  static async login(url: string | URL, username: string, password: string, options: LoginOptions = {}): Promise<Nexterm> {
    const { totp, signal, ...rest } = options
    const client = new Nexterm(url, { ...rest, token: undefined })
    let session = await client.sessions.login({ username, password }, { signal })
    if (!('token' in session)) {
      if (!totp) throw new NextermError('Unauthorized', 'the account needs a TOTP code; give the option totp', { operation: 'sessions.login' })
      session = await client.sessions.login({ username, password, code: await totp() }, { signal })
    }
    return client.#signIn('token' in session ? session.token : undefined)
  }

  /**
   * Signs in without a password: `show` gets a code for somebody who is signed in elsewhere to approve, and
   * the time until which it holds.
   */
  static async loginWithDevice(url: string | URL, show: (code: string, expires: Date) => void | Promise<void>, options: Omit<LoginOptions, 'totp'> = {}): Promise<Nexterm> {
    const { signal, ...rest } = options
    // Nobody's code: a token would make it one that links a device to its account.
    const client = new Nexterm(url, { ...rest, token: undefined })
    const { code, token, expiresAt } = await client.devices.createCode({ clientType: 'connector' }, { signal })
    await show(code, new Date(expiresAt))
    for (;;) {
      const poll = await client.devices.pollCode({ token }, { signal })
      if (poll.status === 'authorized') return client.#signIn(poll.token)
      if (poll.status !== 'pending') {
        throw new NextermError('Unauthorized', 'the code was not approved in time', { operation: 'devices.pollCode' })
      }
      await sleep(pollPause, signal)
    }
  }

  #signIn(token: string | undefined): this {
    if (!token) throw new NextermError('Unexpected', 'the answer has no token in it')
    this.#connection.token = token
    return this
  }

  /** What the client is signed in with, to be kept for the option `token`. */
  get token(): string | undefined {
    return this.#connection.token
  }

  /** Ends the session of the client's token. API keys are no sessions; they are deleted. */
  logout(options?: CallOptions): Promise<void> {
    return this.sessions.logout({ token: this.token ?? '' }, options)
  }

  /**
   * Follows what the account sees: all lists at first, then each again when it changes. Connections that break
   * off are opened again, and all lists come anew. It ends with an error, which is `Unauthorized` when the
   * session has ended. API keys cannot watch.
   */
  watch(options: CallOptions = {}): AsyncGenerator<StateUpdate, void, undefined> {
    return watch(this.#connection, options)
  }

  override toString(): string {
    return `nexterm client of ${this.#connection.base.href}`
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString()
  }
}
