import { plainError, UprezError } from '../errors.js'
import type { Job, JobResult, Measure } from './job.js'
import type { ChildSettings, FromChild, ToChild } from './protocol.js'

/**
 * The engine's child: sharp and ONNX Runtime live here, and whatever happens to them stays here. See engine.ts for the
 * parent's side of the talk, workshop.ts for the work.
 */

const settings = JSON.parse(process.argv[2]!) as ChildSettings
const running = new Map<number, AbortController>()
let closing = false
let stateTold = 0

// Ctrl-C reaches the whole group; what is to be finished is the parent's decision.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => {})
// The parent may go, and may have gone, before there is anything to let go of.
const endNow = () => process.exit()
process.on('disconnect', endNow)
if (!process.connected) endNow()

const workshop = await import('./workshop.js').then(module => module.openWorkshop(settings)).catch(unable)

process.off('disconnect', endNow)
process.on('disconnect', close)
process.on('message', (message: ToChild) => {
  if (message.kind === 'job') void run(message.id, message.job, message.mark)
  else if (message.kind === 'measure') void measure(message.id, message.job, message.whole)
  else if (message.kind === 'cancel') running.get(message.id)?.abort()
  else if (message.kind === 'forget') workshop.forget(message.folder, message.version)
  else close()
})
tellState()
say({ kind: 'ready' })

async function run(id: number, job: Job, mark: string): Promise<void> {
  const abort = new AbortController()
  running.set(id, abort)
  const answer = await workshop
    .work(job, {
      id,
      mark,
      signal: abort.signal,
      onProgress: progress => {
        say({ kind: 'progress', id, progress })
        if (performance.now() - stateTold > STATE_MS) tellState()
      },
      onPatience: factor => say({ kind: 'patience', id, factor }),
    })
    .then((result: JobResult): FromChild => ({ kind: 'done', id, result }))
    .catch((error: unknown): FromChild => ({ kind: 'failed', id, error: told(error) }))
  running.delete(id)
  tellState()
  say(answer)
  if (closing && running.size === 0) await leave()
}

async function measure(id: number, job: Job, whole: boolean): Promise<void> {
  say(
    await workshop
      .measure(job, whole)
      .then((result: Measure | undefined): FromChild => (result ? { kind: 'done', id, result } : { kind: 'more', id }))
      .catch((error: unknown): FromChild => ({ kind: 'failed', id, error: told(error) })),
  )
}

/** During a long job it is told so often. */
const STATE_MS = 500

function tellState(): void {
  stateTold = performance.now()
  const { tiles, provider, models } = workshop
  say({ kind: 'state', state: { rss: process.memoryUsage.rss(), tiles, provider, models } })
}

/** Lets go of all jobs, waits for what cannot be interrupted, ends. Without a parent nobody would kill a hanging child. */
function close(): void {
  if (closing) return
  closing = true
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), 10_000).unref()
  for (const abort of running.values()) abort.abort()
  if (running.size === 0) void leave()
}

async function leave(): Promise<void> {
  await workshop.close()
  process.exit(0)
}

function say(message: FromChild): void {
  // The parent may be gone; `disconnect` tells.
  if (process.connected) process.send!(message, undefined, undefined, () => {})
}

/** A bug of ours loses its stack on the way to the parent, so it is shown here. */
function told(error: unknown) {
  if (!(error instanceof UprezError)) console.error(error)
  return plainError(error)
}

function unable(error: unknown): never {
  const reason = new UprezError('engine-crashed', `The engine cannot work: ${error instanceof Error ? error.message : String(error)}`)
  process.send!({ kind: 'unable', error: plainError(reason) } satisfies FromChild, undefined, undefined, () => process.exit(1))
  throw error
}
