// A server of this source tree, on a database of its own, with an administrator.
import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after } from 'node:test'
import { WebSocket } from 'ws'
import { Nexterm } from '@nexterm-go/sdk'

const dir = mkdtempSync(join(tmpdir(), 'nexterm-sdk-'))
// The account that PostgreSQL runs as has to get to its files.
chmodSync(dir, 0o755)
const binary = join(dir, 'nexterm')
execFileSync('go', ['build', '-o', binary, '.'], { cwd: new URL('../../..', import.meta.url), stdio: 'inherit' })

const servers = []
after(async () => {
  // The first one has the database of the others.
  for (const server of servers.reverse()) {
    const ended = server.exitCode ?? server.signalCode ?? new Promise((resolve) => server.once('exit', resolve))
    server.kill()
    await ended
  }
  rmSync(dir, { recursive: true })
})

async function start(settings) {
  const server = spawn(binary, ['serve'], {
    env: { PATH: process.env.PATH, SERVER_PORT: '0', SHUTDOWN_DELAY: '0s', LOG_LEVEL: 'error', ...settings },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  servers.push(server)
  const url = await new Promise((resolve, reject) => {
    server.once('exit', () => reject(new Error('the server does not start')))
    createInterface({ input: server.stdout }).on('line', (line) => line.includes('is ready: ') && resolve(line.split('is ready: ')[1]))
  })
  return { url, kill: () => server.kill('SIGKILL') }
}

export const { url } = await start({ DATA_DIR: dir })
export const username = 'ada'
export const password = 'correct horse battery staple'
await new Nexterm(url).account.register({ username, password, firstName: 'Ada', lastName: 'Lovelace' })
export const client = await Nexterm.login(url, username, password, { WebSocket })

/** Another server on the same database. */
export const another = () =>
  start({
    DATABASE_URL: `postgres://nexterm@/nexterm?port=5432&sslmode=disable&host=${join(dir, 'postgres/socket')}`,
    ENCRYPTION_KEY_FILE: join(dir, 'encryption.key'),
    DATA_DIR: mkdtempSync(join(dir, 'another-')),
  })

/** What a proxy does with a request. */
export function forward(incoming, response, to) {
  const { method, headers, url: path } = incoming
  const { hostname: host, port } = new URL(to)
  incoming.pipe(
    request({ host, port, method, headers, path }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers)
      answer.pipe(response)
    }).on('error', () => response.writeHead(502).end()),
  )
}
