import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type Estimate, estimateWork } from '../../batch/estimate.js'
import type { Task } from '../../batch/plan.js'
import { execute } from '../../execute.js'
import type { Engine, Job } from '../../infer/engine.js'
import { sharp } from '../../infer/sharp.js'
import { pixelsOf, raw } from '../infer/pictures.js'
import { deepen, drawPhoto } from '../support/draw.js'
import { writeModel } from '../support/model.js'

const uprez = fileURLToPath(new URL('../../bin/uprez.js', import.meta.url))
let home: string

before(async () => {
  home = await mkdtemp(join(tmpdir(), 'uprez-size-'))
  await writeModel(join(home, 'models'), { id: 'small', kind: 'network' })
  await tellCost('dear', 1e7)
  await tellCost('endless', 1e12)
  await mkdir(join(home, 'in'))
  await raw(drawPhoto(48, 32)).toFile(join(home, 'in/wide.png'))
  await raw(drawPhoto(20, 40)).toFile(join(home, 'in/tall.png'))
})
after(() => rm(home, { recursive: true }))

/** A model whose card says that it costs so many operations a pixel. */
async function tellCost(id: string, flopsPerPixel: number): Promise<void> {
  const { dir, card } = await writeModel(join(home, 'models'), { id, kind: 'network' })
  await writeFile(join(dir, 'card.json'), JSON.stringify({ ...card, flopsPerPixel }))
}

interface Report {
  estimate: Estimate | null
  planned: { scale: number | null; target: { width: number; height: number } }[]
  made: { output: string; width: number; height: number }[]
  done: unknown[]
}

function run(output: string, ...flags: string[]) {
  const args = ['-m', join(home, 'models'), '-n', 'small', '-i', join(home, 'in'), '-o', join(home, output), ...flags]
  return execute(process.execPath, [uprez, ...args], { ...process.env, UPREZ_THREADS: '1' })
}

async function report(output: string, ...flags: string[]): Promise<Report> {
  const { code, stdout, output: said } = await run(output, ...flags, '--json')
  assert.equal(code, 0, said)
  return JSON.parse(stdout) as Report
}

async function sizes(output: string): Promise<string[]> {
  const names = ['tall.png', 'wide.png']
  return Promise.all(names.map(name => sharp(join(home, output, name)).metadata())).then(all =>
    all.map(({ width, height }) => `${width}×${height}`),
  )
}

test('the longer side of every picture becomes as long as asked for; the plan, the estimate and the manifest know it', async () => {
  const { planned, estimate } = await report('longest', '--longest', '300', '--dry-run')
  assert.deepEqual(
    planned.map(({ scale, target }) => [scale, target]),
    [
      [null, { width: 150, height: 300 }],
      [null, { width: 300, height: 200 }],
    ],
  )
  assert.equal(estimate!.outputPixels, 150 * 300 + 300 * 200)
  await report('longest', '--longest', '300')
  assert.deepEqual(await sizes('longest'), ['150×300', '300×200'])
  assert.equal((await report('longest', '--longest', '300')).done.length, 2)
  assert.equal((await report('longest', '--longest', '301', '--dry-run')).planned.length, 2)
})

test('width or height keeps the proportions, both are taken as they are', async () => {
  await report('width', '--width', '100')
  assert.deepEqual(await sizes('width'), ['100×200', '100×67'])
  await report('width', '--width', '30', '--height', '50')
  assert.deepEqual(await sizes('width'), ['30×50', '30×50'])
  const { planned } = await report('width', '--height', '16', '--dry-run')
  assert.deepEqual(
    planned.map(({ target }) => target),
    [
      { width: 8, height: 16 },
      { width: 24, height: 16 },
    ],
  )
})

test('a line of before sizes and -x could be asked for still says what is done', async () => {
  await report('old', '-s', '2')
  const file = join(home, 'old/.uprez.jsonl')
  const all = (await readFile(file, 'utf8')).trimEnd().split('\n')
  const lines = all.filter(line => !JSON.parse(line).pending)
  const older = lines.map(line => {
    const { recipe, ...entry } = JSON.parse(line)
    const { model, sha256, scale, format, quality } = recipe
    return `${JSON.stringify({ ...entry, recipe: { model, sha256, scale, format, quality } })}\n`
  })
  assert.notEqual(older[0], `${lines[0]}\n`)
  await writeFile(file, older.join(''))
  assert.equal((await report('old')).done.length, 2)
  assert.equal((await report('old', '-x', '--dry-run')).planned.length, 2)
})

test('two ways to say the size, and pixels that are none, are refused before anything is written', async () => {
  const wrong: [flags: string[], message: RegExp][] = [
    [['-s', '2', '--width', '100'], /^uprez: invalid-option: Expected either scale or width but received both$/m],
    [['-s', '2', '--longest', '100'], /^uprez: invalid-option: Expected either scale or longest but received both$/m],
    [['--longest', '100', '--height', '50'], /^uprez: invalid-option: Expected either longest or height but received both$/m],
    [['--width', '0'], /^uprez: invalid-option: .*--width.*1 to 65535/m],
    [['--longest', '1.5'], /^uprez: invalid-option: .*--longest.*1 to 65535/m],
  ]
  for (const [flags, message] of wrong) {
    const { code, output } = await run('wrong', ...flags)
    assert.equal(code, 2)
    assert.match(output, message)
  }
  await assert.rejects(stat(join(home, 'wrong')))
})

test('a size that the format cannot hold fails before any work', async () => {
  const { code, stdout } = await run('webp', '-f', 'webp', '--height', '16384', '--json')
  assert.equal(code, 1)
  const { failed, estimate } = JSON.parse(stdout) as { failed: { code: string }[]; estimate: null }
  assert.deepEqual([failed.map(({ code }) => code), estimate], [['output-too-large', 'output-too-large'], null])
})

test('with -x a picture is made anew: a little different, and as dear as eight', async () => {
  const plain = join(home, 'tta/wide.png')
  await report('tta')
  const before = await pixelsOf(await readFile(plain))
  assert.equal((await report('tta', '-x')).made.length, 2)
  const turned = await pixelsOf(await readFile(plain))
  const differences = turned.data.map((value, i) => Math.abs(value - before.data[i]!))
  const mean = differences.reduce((sum, value) => sum + value, 0) / differences.length
  assert.ok(mean > 0 && mean < 5, `${mean} on average`)
  assert.equal((await report('tta', '-x')).done.length, 2)
  assert.equal((await report('tta', '--dry-run')).planned.length, 2)
})

test('16 bits count twice in the estimate of bytes: those that are asked for, and those that the picture has', async () => {
  const { estimate: eight } = await report('eight', '--dry-run')
  const { estimate: sixteen } = await report('sixteen', '--dry-run', '--depth', '16')
  assert.ok(Math.abs(sixteen!.bytes - 2 * eight!.bytes) <= 1, `${sixteen!.bytes} and ${eight!.bytes}`)
  const deep = join(home, 'deep.png')
  await raw(deepen(drawPhoto(48, 32))).toFile(deep)
  const withDeep = async (...flags: string[]) => (await report('deep', '-i', deep, '--dry-run', ...flags)).estimate!.bytes
  const [asItIs, cut] = [await withDeep(), await withDeep('--depth', '8')]
  assert.ok(Math.abs(asItIs - cut - (cut - eight!.bytes)) <= 2, `${asItIs} and ${cut}`)
})

test('the estimate counts the runs of -x', async () => {
  const { estimate: once } = await report('dear', '-n', 'dear', '--dry-run')
  const { estimate: turned } = await report('dear', '-n', 'dear', '--dry-run', '--tta')
  assert.deepEqual([once!.measured, turned!.measured], [false, false])
  const ratio = turned!.seconds / once!.seconds
  assert.ok(ratio > 7.5 && ratio < 8, `${ratio} times as long`)
})

test('long work is measured in the size that is asked for', async () => {
  const { estimate } = await report('endless', '-n', 'endless', '--dry-run', '-x', '--width', '60', '--height', '60')
  assert.equal(estimate!.measured, true)
  assert.equal(estimate!.outputPixels, 2 * 60 * 60)
  assert.ok(estimate!.seconds > 0)
})

test('a tiny picture that is to become a huge one is measured on samples that fit', async () => {
  const { card } = await writeModel(join(home, 'models'), { id: 'free' })
  const recipe = { model: 'free', sha256: '', longest: 60_000, format: 'png' as const, quality: null }
  const entry = { output: '', input: '', size: 1, mtimeMs: 1, header: { format: 'png' as const, width: 2, height: 2 }, recipe }
  const source = { path: '', place: '', size: 1, mtimeMs: 1, named: true }
  const task: Task = { source, output: '', target: { width: 60_000, height: 60_000 }, entry, replaces: false }
  const asked: Job[] = []
  const engine = { upscale: async (job: Job) => void asked.push(job) } as unknown as Engine
  const job = { model: '', tile: 0, tta: true }
  const { measured } = await estimateWork([task], { engine: async () => engine, card, job, cpus: 4 })
  assert.equal(measured, true)
  assert.deepEqual([asked.length, ...new Set(asked.map(({ scale }) => scale))], [2, 64])
})
