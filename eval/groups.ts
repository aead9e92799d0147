import { UprezError } from '../errors.js'
import type { Model } from '../models/catalog.js'
import type { DataSet } from './sets.js'

/** What is compared at one scale. */
export interface Group {
  scale: number
  models: Model[]
  sets: DataSet[]
}

/**
 * Models beside those of their own scale (all at `scale` where it is given), on every set that has it: sets of pairs have only one.
 * @throws UprezError `invalid-option` where a set of pairs or a model would be left over
 */
export function groupByScale(models: readonly Model[], sets: readonly DataSet[], scale?: number): Group[] {
  const scaleOf = ({ card }: Model) => scale ?? card.scale
  const scales = [...new Set(models.map(scaleOf))].sort((a, b) => a - b)
  const groups = scales.map(scale => ({
    scale,
    models: models.filter(model => scaleOf(model) === scale),
    sets: sets.filter(set => set.scale === null || set.scale === scale),
  }))
  const list = scales.map(scale => `×${scale}`).join(', ')
  const left = sets.find(set => !groups.some(group => group.sets.includes(set)))
  if (left)
    throw refuse(`the pairs of ${left.folder} are at ×${left.scale}, the models are measured at ${list}`, `a model of ×${left.scale}`)
  const idle = groups.find(group => group.sets.length === 0)
  if (idle) throw refuse(`no set can be measured at ×${idle.scale}, the scale of ${idle.models[0]!.card.id}`, `a set at ×${idle.scale}`)
  return groups
}

function refuse(message: string, expected: string): UprezError {
  return new UprezError('invalid-option', `--data: ${message}`, { param: 'data', expected })
}
