// The SDK in a page of Chromium, behind a proxy that serves both the page and the API.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { forward, password, url, username } from './server.js'

const page = `<!doctype html><script type="importmap">{"imports": {"@nexterm-go/sdk": "/dist/index.js"}}</script>
<script type="module">
import { Nexterm, NextermError } from '@nexterm-go/sdk'
const seen = {}
try {
  const client = await Nexterm.login(location.origin, ${JSON.stringify(username)}, ${JSON.stringify(password)})
  const { id } = await client.entries.create({ name: 'from a page', config: { protocol: 'ssh', ip: '10.0.0.9', port: 22 } })
  seen.name = (await client.entries.get(id)).name
  const missing = await client.entries.get(999999).catch((error) => error)
  seen.missing = [missing instanceof NextermError, missing.kind, missing.status, missing.message, Boolean(missing.requestId)]
  seen.redirect = await new Nexterm(location.origin + '/redirect').entries.list().catch(({ kind, message }) => [kind, message])
  seen.down = await new Nexterm('http://127.0.0.1:1', { retries: 0 }).entries.list().catch(({ kind, status }) => [kind, status])
  seen.aborted = await client.entries.list({ signal: AbortSignal.abort() }).catch(({ name }) => name)
  seen.picture = (await client.account.setAvatar(await (await fetch('/picture')).blob())).avatarHash.length > 0
  seen.types = []
  for await (const { type } of client.watch()) if (seen.types.push(type) === 5) break
  seen.users = []
  for await (const user of client.users.all({ limit: 1 })) seen.users.push(user.username)
  await client.logout()
  seen.ended = await client.watch().next().catch(({ kind }) => kind)
} catch (error) {
  seen.error = String(error?.stack ?? error)
}
await fetch('/seen', { method: 'POST', body: JSON.stringify(seen) })
</script>`

test('a page uses the SDK', { timeout: 120_000 }, async (t) => {
  const seen = Promise.withResolvers ? Promise.withResolvers() : resolvers()
  const target = new URL(url)
  const server = createServer((incoming, response) => {
    if (incoming.url.startsWith('/api/')) {
      forward(incoming, response, url)
    } else if (incoming.url.startsWith('/dist/')) {
      response.writeHead(200, { 'Content-Type': 'text/javascript' }).end(readFileSync(new URL(`..${incoming.url}`, import.meta.url)))
    } else if (incoming.url.startsWith('/redirect/')) {
      response.writeHead(302, { Location: '/api/entry/list' }).end()
    } else if (incoming.url === '/picture') {
      response.end(Buffer.from('UklGRiQAAABXRUJQVlA4IBgAAAAwAQCdASoBAAEAAgA0JaQAA3AA/vuUAAA=', 'base64'))
    } else if (incoming.url === '/seen') {
      let body = ''
      incoming.on('data', (data) => (body += data)).on('end', () => response.end(seen.resolve(JSON.parse(body))))
    } else {
      response.writeHead(200, { 'Content-Type': 'text/html' }).end(page)
    }
  })
  server.on('upgrade', (incoming, socket) => {
    const up = connect(Number(target.port), target.hostname)
    const headers = Object.entries(incoming.headers).map(([name, value]) => `${name}: ${value}\r\n`).join('')
    up.write(`GET ${incoming.url} HTTP/1.1\r\n${headers}\r\n`)
    up.pipe(socket).pipe(up)
    for (const end of [up, socket]) end.on('error', () => {})
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const profile = mkdtempSync(join(tmpdir(), 'nexterm-chromium-'))
  const chromium = spawn('chromium', [
    '--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update',
    '--disable-sync', '--remote-debugging-port=0', `--user-data-dir=${profile}`, `http://127.0.0.1:${server.address().port}/`,
  ], { detached: true, env: { ...process.env, HOME: profile }, stdio: 'ignore' })
  chromium.once('error', seen.reject)
  chromium.once('exit', () => seen.reject(new Error('chromium has ended')))
  t.after(async () => {
    const ended = new Promise((resolve) => chromium.once('exit', resolve))
    process.kill(-chromium.pid, 'SIGKILL')
    await ended
    server.closeAllConnections()
    server.close()
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
  })
  const { users, ...rest } = await seen.promise
  assert.deepEqual(rest, {
    name: 'from a page',
    missing: [true, 'NotFound', 404, 'Entry not found', true],
    redirect: ['Unexpected', 'the server redirects; what it leads to may be the address to use'],
    down: ['Unavailable', 0],
    aborted: 'AbortError',
    picture: true,
    types: ['ENTRIES', 'IDENTITIES', 'SNIPPETS', 'CONNECTIONS', 'LIVE_SESSIONS'],
    ended: 'Unauthorized',
  })
  assert.ok(users.includes(username))
})

function resolvers() {
  const all = {}
  all.promise = new Promise((resolve, reject) => Object.assign(all, { resolve, reject }))
  return all
}
