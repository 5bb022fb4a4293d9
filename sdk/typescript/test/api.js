import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import test from 'node:test'
import { inspect } from 'node:util'
import { Nexterm, NextermError, version } from '@nexterm-go/sdk'
import { client, password, url, username } from './server.js'

const read = (name) => readFileSync(new URL(name, import.meta.url), 'utf8')

test('the version is that of the package and the changelog', () => {
  assert.equal(JSON.parse(read('../package.json')).version, version)
  assert.match(read('../CHANGELOG.md'), new RegExp(`^## ${version}`, 'm'))
})

test('an entry is created, changed and deleted', async () => {
  const identity = await client.identities.create({ name: 'root', type: 'password', username: 'root', password: 'hunter22' })
  const created = await client.entries.create({
    name: 'web-1', config: { protocol: 'ssh', ip: '10.0.0.5', port: 22 }, identities: [identity.id],
  })
  await client.entries.update(created.id, { name: 'web-2', icon: null })
  const entry = await client.entries.get(created.id)
  assert.equal(entry.name, 'web-2')
  assert.equal(entry.config.ip, '10.0.0.5')
  assert.deepEqual(entry.identities, [identity.id])
  assert.ok((await client.entries.list()).some(({ id }) => id === created.id))
  assert.equal(await client.entries.delete(created.id), undefined)
  await assert.rejects(client.entries.get(created.id), (error) => {
    assert.ok(error instanceof NextermError)
    assert.deepEqual([error.kind, error.status, error.message, error.operation], ['NotFound', 404, 'Entry not found', 'entries.get'])
    assert.match(error.requestId, /^[\w-]{8,}$/)
    return true
  })
})

test('failures have kinds', async () => {
  await assert.rejects(client.entries.create({ name: '', config: {} }), { name: 'NextermError', kind: 'BadRequest', status: 400 })
  await assert.rejects(client.users.create({ username, password, firstName: 'A', lastName: 'L' }), { kind: 'Conflict', status: 409 })
  await assert.rejects(new Nexterm(url, { token: 'ffff' }).entries.list(), { kind: 'Unauthorized', status: 401 })
  await client.users.create({ username: 'bob', password, firstName: 'B', lastName: 'B' })
  const bob = await Nexterm.login(url, 'bob', password)
  await assert.rejects(bob.users.list(), { kind: 'Forbidden', status: 403 })
})

test('what is no id cannot lead to another path', async () => {
  await assert.rejects(client.entries.delete('../account/avatar'), { kind: 'BadRequest', message: 'Invalid entry ID' })
})

test('pages are walked', async () => {
  for (let i = 0; i < 5; i++) await client.users.create({ username: `walker${i}`, password, firstName: 'W', lastName: 'W' })
  const names = []
  for await (const user of client.users.all({ search: 'walker', limit: 2 })) names.push(user.username)
  assert.deepEqual(names, ['walker4', 'walker3', 'walker2', 'walker1', 'walker0'])
  const ids = []
  for await (const log of client.audit.allLogs({ limit: 3 })) ids.push(log.id)
  assert.ok(ids.length > 6)
  assert.equal(new Set(ids).size, ids.length)
  assert.equal(ids.length, (await client.audit.listLogs({ limit: 1 })).total)
})

test('bytes are sent and read, and text is read', async () => {
  assert.equal(typeof (await client.monitoring.getMetrics()), 'string')
  const picture = Buffer.from('UklGRiQAAABXRUJQVlA4IBgAAAAwAQCdASoBAAEAAgA0JaQAA3AA/vuUAAA=', 'base64')
  await client.account.setAvatar(picture)
  const { id } = await client.account.get()
  assert.deepEqual(Buffer.from(await (await client.account.getAvatar(id)).arrayBuffer()), picture)
})

test('secrets are read, but not printed', async () => {
  const key = await client.apiKeys.create({ name: 'ci' })
  assert.match(key.token, /^\w{20,}$/)
  assert.doesNotMatch(inspect(key), new RegExp(key.token))
  assert.match(inspect({ key }), /token: '\[redacted\]'/)
  assert.match(JSON.stringify({ ...key }), new RegExp(key.token))
  const keyed = new Nexterm(url, { token: key.token })
  assert.equal((await keyed.account.get()).username, username)
  for (const printed of [inspect(keyed, { depth: 9, showHidden: true }), String(keyed), JSON.stringify(keyed)]) {
    assert.doesNotMatch(printed, new RegExp(key.token))
  }
  assert.equal(inspect(keyed), `nexterm client of ${url}/`)
  const wrong = await Nexterm.login(url, username, 'hunter2hunter2').catch((error) => error)
  assert.equal(wrong.kind, 'Unauthorized')
  assert.doesNotMatch(inspect(wrong, { depth: 9, showHidden: true }), /hunter2/)
})

test('a session ends', async () => {
  const other = await Nexterm.login(url, username, password, { userAgent: 'tests of the SDK' })
  assert.ok((await other.sessions.list()).some(({ userAgent }) => userAgent === 'tests of the SDK'))
  await other.logout()
  await assert.rejects(other.account.get(), { kind: 'Unauthorized' })
})

/** RFC 6238 with the usual parameters. */
function totp(secret, at) {
  const bits = [...secret].map((letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0')).join('')
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)))
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(Math.floor(at / 30_000)))
  const digest = createHmac('sha1', key).update(counter).digest()
  return String((digest.readUInt32BE(digest.at(-1) & 15) & 0x7fffffff) % 1e6).padStart(6, '0')
}

test('an account with TOTP is asked for a code', async () => {
  await client.users.create({ username: 'eve', password, firstName: 'E', lastName: 'E' })
  const eve = await Nexterm.login(url, 'eve', password, { totp: () => assert.fail('not needed') })
  const { secret } = await eve.totp.getSecret()
  await eve.totp.enable({ code: totp(secret, Date.now()) })
  await assert.rejects(Nexterm.login(url, 'eve', password), { kind: 'Unauthorized', message: /option totp/ })
  // A code holds once.
  const again = await Nexterm.login(url, 'eve', password, { totp: async () => totp(secret, Date.now() + 30_000) })
  assert.equal((await again.account.get()).username, 'eve')
})

test('a device signs in with a code that is approved elsewhere', async () => {
  const device = await Nexterm.loginWithDevice(url, async (code, expires) => {
    assert.ok(expires > new Date())
    await client.devices.authorizeCode({ code })
  })
  assert.equal((await device.account.get()).username, username)
  const stop = new AbortController()
  const given = Nexterm.loginWithDevice(url, () => setTimeout(() => stop.abort(), 100), { signal: stop.signal })
  await assert.rejects(given, { name: 'AbortError' })
})

test('the README does what it says', async () => {
  Object.assign(process.env, { NEXTERM_URL: url, NEXTERM_TOKEN: client.token, SSH_PASSWORD: password })
  const examples = [...read('../README.md').matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code)
  assert.ok(examples[0].trim().split('\n').length <= 10)
  // One after the other, as a reader would type them.
  const code = examples.join('\n').replace(/^import .*$/gm, '')
  const AsyncFunction = (async () => {}).constructor
  await new AsyncFunction('Nexterm', 'console', code)(Nexterm, { log() {} })
  assert.ok((await client.entries.list()).some(({ name }) => name === 'web-1.example.com'))
})
