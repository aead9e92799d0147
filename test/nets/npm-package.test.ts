import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, test } from 'node:test'
import { execute } from '../../execute.js'
import { fetchPackage, unpackPackage } from '../../nets/npm-package.js'

const folder = await mkdtemp(join(tmpdir(), 'uprez-npm-test-'))
const npm = process.env.npm_execpath
after(() => rm(folder, { recursive: true }))
afterEach(() => {
  if (npm === undefined) delete process.env.npm_execpath
  else process.env.npm_execpath = npm
})

const failed = (message: string) => new Error(message)
const packed = await pack({ 'package/LICENSE.md': 'free', [`package/dist/${'deep/'.repeat(30)}library.node`]: 'machine code' })
const sha512 = createHash('sha512').update(packed).digest('base64')

test('a package comes whole from npm, whatever its names and sizes', async () => {
  await standIn(`import { copyFileSync } from 'node:fs'
    copyFileSync(${JSON.stringify(join(folder, 'packed.tgz'))}, process.argv.at(-1) + '/a-1.0.0.tgz')
    if (!process.argv.join(' ').includes('pack a@1.0.0')) process.exit(1)`)
  const files = unpackPackage(await fetchPackage('a@1.0.0', sha512, failed))
  assert.equal(files.get('package/LICENSE.md')!.toString(), 'free')
  assert.equal(files.get(`package/dist/${'deep/'.repeat(30)}library.node`)!.toString(), 'machine code')
  await assert.rejects(fetchPackage('a@1.0.0', 'another', failed), /is not the package we know: its sha512 is .*, expected another/)
})

test('what npm says when it fails is in the error', async () => {
  await standIn("console.error('no such registry'); process.exit(1)")
  await assert.rejects(fetchPackage('a@1.0.0', sha512, failed), /npm could not download a@1.0.0: no such registry/)
})

/** A program in the place of npm. */
async function standIn(program: string): Promise<void> {
  await mkdir(join(folder, 'npm'), { recursive: true })
  await writeFile(join(folder, 'npm', 'package.json'), '{ "type": "module" }')
  process.env.npm_execpath = join(folder, 'npm', 'npm-cli.js')
  await writeFile(process.env.npm_execpath, program)
}

async function pack(files: Record<string, string>): Promise<Buffer> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(folder, name, '..'), { recursive: true })
    await writeFile(join(folder, name), text)
  }
  const { code, output } = await execute('tar', ['--format=ustar', '-czf', join(folder, 'packed.tgz'), '-C', folder, 'package'])
  assert.equal(code, 0, output)
  return readFile(join(folder, 'packed.tgz'))
}
