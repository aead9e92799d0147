import { setTimeout as delay } from 'node:timers/promises'
import type { JobView } from '../../serve/jobs-view.js'
import { type Ask, wrongPicture } from './asks.js'
import { type Answer, type Client, codeOf, shown } from './client.js'
import { between } from './part.js'
import type { Tally } from './tally.js'

/** What may become of any job where the disk is small and full. */
const USUAL = ['busy', 'no-space', 'result-expired']

/**
 * One picture as a job, looked after until it is over, and sometimes cancelled. It must end in its picture, or in one clear error.
 * @param excuse as in `ask`
 */
export async function askForJob(
  client: Client,
  what: Ask,
  next: () => number,
  tally: Tally,
  excuse: (code: string) => string | undefined,
): Promise<void> {
  const [cancels, forgets] = [next() < 0.2, next() < 0.3]
  const patience = between(next, 0, 500)
  try {
    const begun = await client.post(what.body, '/jobs')
    if (begun.status !== 202) return refused(begun)
    const at = String(begun.headers.location)
    if (cancels) {
      await delay(patience)
      return await cancel(at)
    }
    const job = await over(at)
    if (job.state === 'done') await fetchResult(at)
    else if (job.error === null) tally.broke(`job of ${what.name}: ${job.state} without an error`)
    else excused(job.error.code, `job of ${what.name}: ${job.state}: ${job.error.code}: ${job.error.detail}`)
    if (!forgets) await client.ask('DELETE', at)
  } catch (error) {
    tally.broke(`job of ${what.name}: no answer: ${(error as Error).message}`)
  }

  async function over(at: string): Promise<JobView> {
    for (;;) {
      const { status, bytes } = await client.ask('GET', at)
      if (status !== 200) throw new Error(`${status} ${bytes}`)
      const job = JSON.parse(bytes.toString()) as JobView
      if (job.state !== 'queued' && job.state !== 'running') return job
      await delay(50)
    }
  }

  async function fetchResult(at: string): Promise<void> {
    const answer = await client.ask('GET', `${at}/result`)
    if (answer.status !== 200) return refused(answer)
    const wrong = await wrongPicture(what, answer)
    if (wrong === undefined) tally.count('job: the right picture')
    else tally.broke(`job: ${wrong}`)
  }

  async function cancel(at: string): Promise<void> {
    const gone = await client.ask('DELETE', at)
    if (gone.status !== 204) tally.broke(`job of ${what.name} cannot be cancelled: ${shown(gone)}`)
    const after = await client.ask('GET', at)
    if (after.status !== 404) tally.broke(`job of ${what.name} is there though cancelled: ${shown(after)}`)
    tally.count('job: cancelled')
  }

  function refused(answer: Answer): void {
    excused(codeOf(answer), `job of ${what.name}: ${shown(answer)}`)
  }

  function excused(code: string | undefined, line: string): void {
    const as = code !== undefined && USUAL.includes(code) ? code : excuse(code ?? '')
    if (as === undefined) tally.broke(line)
    else tally.count(`job: ${as}`)
  }
}
