import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { client } from './server.js'

// What the documentation shows of the SDK.
const read = (path) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')
const samples = Object.entries(JSON.parse(read('gen/samples.json'))).filter(([, texts]) => texts.typescript)
const entities = { '&lt;': '<', '&gt;': '>', '&amp;': '&' }
const guide = [...read('internal/docs/assets/index.html').matchAll(/<pre data-language="typescript">(.*?)<\/pre>/gs)].map(([, text]) =>
  text.replace(/&\w+;/g, (entity) => entities[entity]),
)

test('all samples are typed', (t) => {
  // Only from below the package is it found by its name.
  const dir = mkdtempSync(new URL('samples-', import.meta.url).pathname)
  t.after(() => rmSync(dir, { recursive: true }))
  const functions = [...guide, ...samples.map(([, texts]) => texts.typescript)].map(
    (text, i) => `export async function shown${i}(${text.startsWith('const client') ? '' : 'client: Nexterm, '}picture: Blob) {\n${text}\n}\n`,
  )
  const setting = "import { Nexterm, NextermError } from '@nexterm-go/sdk'\ndeclare const process: { env: Record<string, string | undefined> }\n"
  writeFileSync(join(dir, 'samples.ts'), setting + functions.join(''))
  const compilerOptions = { rootDir: '.', noEmit: true, types: [], noUnusedLocals: false, noUnusedParameters: false }
  writeFileSync(join(dir, 'tsconfig.json'), JSON.stringify({ extends: '../../tsconfig.json', compilerOptions, include: ['samples.ts'] }))
  execFileSync('npx', ['tsc', '-p', dir], { stdio: 'inherit' })
})

// Those that need nothing of which they would have to know the id.
test('samples work', async () => {
  const Run = (async () => {}).constructor
  const calls = samples.filter(([name, texts]) => /^(create(?!User|Connection)|list)/.test(name) && !/\(\d/.test(texts.typescript))
  assert.ok(calls.length > 25)
  for (const [, texts] of calls) await new Run('client', texts.typescript)(client)
})
