import { UprezError } from '../errors.js'
import type { Job } from './job.js'

/** How large the result is to be; nothing: as the model enlarges. */
export type Size = Pick<Job, 'scale' | 'width' | 'height' | 'longest'>

/** Ways to say it, of which one will do. */
const EXCLUSIVE = [
  ['scale', ['width', 'height', 'longest']],
  ['longest', ['width', 'height']],
] as const

/** @throws UprezError `invalid-option` where two ways to say it contradict each other */
export function requireOneSize(options: { [K in keyof Size]: unknown }): void {
  for (const [name, others] of EXCLUSIVE) {
    const other = others.find(other => options[other] !== undefined)
    if (options[name] === undefined || other === undefined) continue
    const expected = `either ${name} or ${other}`
    throw new UprezError('invalid-option', `Expected ${expected} but received both`, { param: name, expected, got: 'both' })
  }
}
