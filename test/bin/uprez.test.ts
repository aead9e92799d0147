import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, realpathSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const uprez = fileURLToPath(new URL('../../bin/uprez.js', import.meta.url))
const root = fileURLToPath(new URL('../../../', import.meta.url))
const { npm_lifecycle_event: _, INIT_CWD: __, ...environment } = process.env

function run(args: string[], options: { cwd?: string; env?: Record<string, string> } = {}) {
  const env = { ...environment, ...options.env }
  const { status, stdout, stderr } = spawnSync(process.execPath, [uprez, ...args], { encoding: 'utf8', cwd: options.cwd ?? tmpdir(), env })
  return { code: status, out: stdout, err: stderr }
}

test('the version is the package’s', () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  assert.deepEqual(run(['--version']), { code: 0, out: `${version}\n`, err: '' })
})

test('help goes to stdout with 0 where it was asked for, to stderr with 2 where a command is missing', () => {
  const asked = run(['--help'])
  assert.equal(asked.code, 0)
  for (const command of ['upscale', 'serve', 'train', 'export', 'eval', 'doctor', 'setup'])
    assert.match(asked.out, new RegExp(`^  ${command}\\b`, 'm'))
  assert.deepEqual(run(['help']), asked)
  assert.deepEqual(run([]), { code: 2, out: '', err: asked.out })
})

test('every command explains itself', () => {
  for (const command of ['upscale', 'serve', 'train', 'export', 'eval', 'doctor', 'setup']) {
    const { code, out } = run([command, '--help'])
    assert.equal(code, 0)
    assert.match(out, new RegExp(`^Usage: uprez ${command}`))
  }
})

const wrong: [args: string[], line: RegExp][] = [
  [['trian'], /^uprez: unknown-option: unknown command 'trian'; did you mean train\?$/],
  [['photo.jpg'], /^uprez: unknown-option: .*uprez -i photo\.jpg -o OUTPUT$/],
  [['-i', 'a', '-o', 'b', '--modle-name', 'x'], /^uprez: unknown-option: .*--modle-name.*--model-name/],
  [['train', '--preste', 'x'], /^uprez: \S+: .*--prese?t/],
  [['-o', 'b'], /^uprez: invalid-option: -i, --input: expected /],
  [['-i', 'a', '-o', 'b', '-q', '0'], /^uprez: invalid-option: .*1 to 100/],
  [['-i', 'a', '-o', 'b', '-s', 'two'], /^uprez: invalid-option: .*number/],
  [['-i', 'a', '-o', 'b', '-f', 'gif'], /^uprez: invalid-option: .*png, jpg, webp, avif/],
  [['-i', 'a', '-o', 'b', '--suffix', '../x'], /^uprez: invalid-option: .*slash/],
  [['-i', 'a', '-o', 'b', '-g', '0,'], /^uprez: invalid-option: .*auto, -1 \(CPU\), or numbers/],
  [['-i', 'a', '-o', 'b', '-g', '0', '--provider', 'cuda'], /^uprez: invalid-option: .*one of -g and --provider/],
  [['-i', 'a', '-o', 'b', '--provider', 'cuad'], /^uprez: invalid-option: .*cuda.* received cuad/],
  [['setup', 'windows'], /^uprez: invalid-option: .*tensorflow/],
  [['setup', 'webgpu', '--from', 'x.whl'], /^uprez: invalid-option: --from goes with cuda, not with webgpu/],
]
for (const [args, line] of wrong) {
  test(`wrong usage gets 2 and one clear line: uprez ${args.join(' ')}`, () => {
    const { code, out, err } = run(args)
    assert.equal(code, 2, err)
    assert.equal(out, '')
    assert.match(err.trimEnd(), line)
    assert.equal(err.trimEnd().split('\n').length, 1)
  })
}

test('a failure that is nobody’s wrong usage gets 1', () => {
  const { code, err } = run(['-i', 'nowhere.png', '-o', 'b.png'])
  assert.equal(code, 1)
  assert.match(err, /^uprez: no-input: .*nowhere\.png/)
})

test('what steers a terminal is shown, not sent to it', () => {
  const { code, err } = run(['-i', 'no\u001b[31m\u0007where.png', '-o', 'x.png'])
  assert.equal(code, 1)
  assert.match(err, /no\\x1b\[31m\\x07where\.png does not exist/)
})

test('started by npm run, paths mean the folder where the caller stood; otherwise the present one', () => {
  const caller = realpathSync(mkdtempSync(join(tmpdir(), 'uprez-caller-')))
  const npm = { npm_lifecycle_event: 'uprez', INIT_CWD: caller }
  const args = ['-i', 'package.json', '-o', join(caller, 'out')]
  const [found, missing] = [/^uprez: not-an-image: .*package\.json/m, /^uprez: no-input: /m]
  assert.match(run(args, { cwd: root }).err, found)
  assert.match(run(args, { cwd: root, env: npm }).err, missing)
  assert.match(run(args, { cwd: root, env: { ...npm, npm_lifecycle_event: 'test' } }).err, found)
  const elsewhere = { cwd: join(root, 'bin'), env: { ...npm, INIT_CWD: root } }
  assert.match(run(args, elsewhere).err, missing)
})
