import type { CallOptions, Connection } from './call.js'
import { NextermError } from './error.js'
import { pause, sleep } from './retry.js'
import type { EntryNode, Identity, Snippet } from './types.gen.js'

/** A list as it is now. */
export type StateUpdate =
  | { type: 'ENTRIES'; data: EntryNode[] }
  | { type: 'IDENTITIES'; data: Identity[] }
  | { type: 'SNIPPETS'; data: Snippet[] }
  | { type: 'CONNECTIONS' | 'LIVE_SESSIONS'; data: unknown[] }

const lists = ['ENTRIES', 'IDENTITIES', 'SNIPPETS', 'CONNECTIONS', 'LIVE_SESSIONS']

/** Milliseconds without a message after which the server is asked for one, and then those that it has for it. */
const silence = 60_000

/** Close codes for a token that is missing or invalid, and for a session that has ended. */
const unauthorized = [4001, 4003, 4010]
const policyViolation = 1008

export async function* watch(connection: Connection, { signal }: CallOptions): AsyncGenerator<StateUpdate, void, undefined> {
  const { retries = 4, WebSocket = globalThis.WebSocket } = connection.options
  if (!WebSocket) {
    throw new NextermError('BadRequest', 'there is no WebSocket here; use Node 22 or newer, or give the client one as an option', { operation: 'watch' })
  }
  for (let attempt = 0; ; attempt++) {
    const feed = new Feed(connection, WebSocket)
    const stop = () => feed.end()
    signal?.addEventListener('abort', stop)
    try {
      for (let update; !signal?.aborted && (update = await feed.next()); ) {
        attempt = 0
        yield update
      }
    } finally {
      signal?.removeEventListener('abort', stop)
      feed.end()
    }
    signal?.throwIfAborted()
    const error = feed.error()
    if (error.kind === 'Unauthorized' || error.kind === 'Unexpected' || attempt >= retries) throw error
    await sleep(pause(attempt), signal)
  }
}

/** One connection. Of updates that nobody has taken yet, it keeps the last of each type. */
class Feed {
  #updates = new Map<string, StateUpdate>()
  #wake = () => {}
  #closed: { code: number; reason: string } | undefined
  #broken = false
  #timer: ReturnType<typeof setTimeout> | undefined
  #connections = ''
  readonly #socket

  constructor(connection: Connection, WebSocket: NonNullable<Connection['options']['WebSocket']>) {
    const url = connection.url('/api/ws/state', { sessionToken: connection.token })
    url.protocol = url.protocol.replace('http', 'ws')
    this.#socket = new WebSocket(url.href)
    this.#socket.addEventListener('message', ({ data }) => this.#receive(String(data)))
    this.#socket.addEventListener('close', ({ code, reason }) => this.end(code, String(reason)))
    // A close follows, but without a listener it would end a program that uses ws.
    this.#socket.addEventListener('error', () => {})
    this.#listen()
  }

  async next(): Promise<StateUpdate | undefined> {
    while (this.#updates.size === 0 && !this.#closed) await new Promise<void>((resolve) => (this.#wake = resolve))
    const [update] = this.#updates.values()
    if (update) this.#updates.delete(update.type)
    return update
  }

  end(code = 0, reason = '') {
    clearTimeout(this.#timer)
    this.#closed ??= { code, reason }
    this.#socket.close()
    this.#wake()
  }

  error(): NextermError {
    const { code, reason } = this.#closed!
    if (this.#broken) return new NextermError('Unexpected', 'a message is not of the form that the contract says', { operation: 'watch' })
    const kind = unauthorized.includes(code) ? 'Unauthorized' : code === policyViolation ? 'TooManyRequests' : 'Unavailable'
    return new NextermError(kind, reason || 'the connection broke off', { operation: 'watch' })
  }

  #receive(text: string) {
    this.#listen()
    let message
    try {
      message = JSON.parse(text)
    } catch {
      // What it says would quote the text.
    }
    // LOGOUT is said again by the code that the server closes with, and newer servers may have more to say.
    if (typeof message?.type === 'string' && !lists.includes(message.type)) return
    if (!Array.isArray(message?.data)) {
      this.#broken = true
      return this.end()
    }
    if (message.type === 'CONNECTIONS') {
      if (text === this.#connections) return
      this.#connections = text
    }
    this.#updates.delete(message.type)
    this.#updates.set(message.type, message)
    this.#wake()
  }

  /** Notices connections that are gone although nobody says so: the server's pings are not to be seen here. */
  #listen() {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      try {
        this.#socket.send('{"action": "refresh", "type": "CONNECTIONS"}')
      } catch {
        // It is not open yet.
      }
      this.#timer = setTimeout(() => this.end(), silence)
    }, silence)
  }
}
