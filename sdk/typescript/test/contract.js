import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { Nexterm } from '@nexterm-go/sdk'

const read = (name) => JSON.parse(readFileSync(new URL(`../../../gen/${name}`, import.meta.url), 'utf8'))
const { paths, components } = read('contract.json')
const named = (names) => Object.entries(names).flatMap(([service, methods]) => Object.entries(methods).map(([method, id]) => [service, method, id]))

test('every method sends its operation', async () => {
  const operations = new Map(Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, { operationId }]) => [operationId, `${method.toUpperCase()} ${path}`])))
  let sent
  const fetch = async (url, { method }) => {
    sent = `${method} ${url.pathname}`
    return new Response('{}', { status: 418 })
  }
  const client = new Nexterm('http://host/below/', { fetch })
  for (const [service, method, id] of named(read('sdk.json'))) {
    let ids = 0
    const expected = operations.get(id).replace(/{\w+}/g, () => ++ids).replace(' ', ' /below')
    const call = client[service][method](...Array.from({ length: ids }, (_, i) => i + 1), {})
    await assert.rejects(call.next?.() ?? call, { status: 418, operation: `${service}.${method.replace(/^all/, 'list')}` })
    assert.equal(sent, expected, `${service}.${method}`)
  }
})

test('every example of the contract is of its type', (t) => {
  const dir = mkdtempSync(fileURLToPath(new URL('../node_modules/.examples-', import.meta.url)))
  t.after(() => rmSync(dir, { recursive: true }))
  const examples = Object.entries(components.schemas).filter(([name, { example }]) => name !== 'Error' && example !== undefined)
  assert.ok(examples.length > 50)
  const lines = examples.map(([name, schema]) => `(${JSON.stringify(schema.example)}) satisfies sdk.${schema['x-sdk-name'] ?? name}`)
  writeFileSync(join(dir, 'examples.ts'), `import type * as sdk from '@nexterm-go/sdk'\n${lines.join('\n')}\n`)
  const settings = { extends: '../../tsconfig.json', compilerOptions: { rootDir: '../..', noEmit: true }, include: ['examples.ts'] }
  writeFileSync(join(dir, 'tsconfig.json'), JSON.stringify(settings))
  execFileSync('npx', ['tsc', '-p', dir], { stdio: 'inherit', cwd: new URL('..', import.meta.url) })
})
