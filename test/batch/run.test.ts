import assert from 'node:assert/strict'
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { openManifest, readManifest } from '../../batch/manifest.js'
import { makePlan } from '../../batch/plan.js'
import { runTasks, type Watcher } from '../../batch/run.js'
import { walk } from '../../batch/walk.js'
import { UprezError } from '../../errors.js'
import type { Engine, Job } from '../../infer/engine.js'
import { readHeader } from '../../infer/files.js'
import type { UpscaleCard } from '../../models/card.js'
import { raw } from '../infer/pictures.js'
import { drawPhoto } from '../support/draw.js'
import { writeModel } from '../support/model.js'

let home: string
let card: UpscaleCard

before(async () => {
  home = await realpath(await mkdtemp(join(tmpdir(), 'uprez-run-')))
  card = (await writeModel(home)).card
})
after(() => rm(home, { recursive: true }))

async function folderOf(...names: string[]): Promise<string> {
  const root = await mkdtemp(join(home, 'folder-'))
  await mkdir(join(root, 'in'))
  for (const name of names) await raw(drawPhoto(12, 8)).toFile(join(root, 'in', name))
  return root
}

/** As the command plans a run over `input` into `output`. */
async function planOf(input: string, output: string, { scale = 4, suffix = '' } = {}) {
  return makePlan(await walk([input], { recursive: false, exclude: output }), {
    destination: { folder: output, name: undefined, format: 'auto' },
    manifest: await readManifest(output),
    card,
    recipe: { model: card.id, sha256: card.model.sha256, scale, quality: null },
    suffix,
    ifExists: 'skip',
    readHeader: path => readHeader({ path }),
  })
}

const unheard: Watcher = { progress: () => {}, done: () => {}, failed: () => {} }

/** A run with an engine of which nothing but its end is looked at. */
async function runWith(
  upscale: (job: Job) => Promise<unknown>,
  plan: Awaited<ReturnType<typeof planOf>>,
  folder: string,
  stop?: AbortSignal,
) {
  const manifest = await openManifest(folder)
  const engine = { upscale } as unknown as Engine
  const signal = stop ?? new AbortController().signal
  return runTasks(plan.tasks, { engine, manifest, job: { model: '', tile: 0 }, jobs: 1, signal, watcher: unheard }).finally(manifest.close)
}

const finish = async ({ output }: Job) => writeFile(output!, 'a picture')

/** Ctrl-C in the moment in which a picture has got its name. */
async function stopAtTheName(plan: Awaited<ReturnType<typeof planOf>>, folder: string): Promise<void> {
  const stop = new AbortController()
  const finishAndStop = async (job: Job) => {
    await finish(job)
    stop.abort()
    throw new UprezError('aborted', 'The work was cancelled')
  }
  const { made, failures } = await runWith(finishAndStop, plan, folder, stop.signal)
  assert.deepEqual([made, failures], [[], []])
}

test('a picture that got its name as the run was stopped is no input of the next run in the same folder', async () => {
  const root = await folderOf('a.png')
  const folder = join(root, 'in')
  await stopAtTheName(await planOf(folder, folder, { suffix: '_x4' }), folder)
  const { tasks, skipped } = await planOf(folder, folder, { suffix: '_x4' })
  assert.deepEqual(
    tasks.map(({ source, output }) => [source.place, output]),
    [['a.png', join(folder, 'a_x4.png')]],
  )
  assert.deepEqual(skipped, [{ path: join(folder, 'a_x4.png'), reason: 'made by an earlier run' }])
})

test('nor does it count as what a run of before has made at its place', async () => {
  const root = await folderOf('a.png')
  const [input, output] = [join(root, 'in'), join(root, 'out')]
  await mkdir(output)
  await runWith(finish, await planOf(input, output, { scale: 4 }), output)
  assert.equal((await planOf(input, output, { scale: 4 })).done.length, 1)
  await stopAtTheName(await planOf(input, output, { scale: 2 }), output)
  assert.equal((await planOf(input, output, { scale: 4 })).tasks.length, 1)
  assert.equal((await planOf(input, output, { scale: 2 })).tasks.length, 1)
})

test('what every further picture would meet too ends the run, and is told with the picture that met it', async () => {
  const root = await folderOf('a.png', 'b.png', 'c.png')
  const [input, output] = [join(root, 'in'), join(root, 'out')]
  for (const thrown of [new UprezError('no-space', 'no space left'), new TypeError('a bug')]) {
    const full = async (job: Job) => {
      if (!job.output!.endsWith('a.png')) throw thrown
      await finish(job)
    }
    const { made, failures, bug } = await runWith(full, await planOf(input, output), output)
    await rm(output, { recursive: true })
    assert.equal(made.length, 1)
    assert.deepEqual(
      failures.map(({ path, error }) => [path, error.code]),
      [[join(input, 'b.png'), thrown instanceof UprezError ? 'no-space' : 'internal']],
    )
    assert.equal(bug, thrown instanceof UprezError ? undefined : thrown)
  }
})
