import { UprezError } from '../errors.js'
import type { Finding, UpscaleCard } from '../models/card.js'
import { measureHalo } from './halo.js'
import type { Say } from './measure.js'
import { reachByChanges } from './perturb.js'
import { seamHalo } from './seams.js'
import type { Session } from './session.js'

/** How a model is run in tiles. */
export interface Tiling extends Pick<UpscaleCard, 'receptiveField' | 'halo' | 'haloError'> {
  findings: Finding[]
}

/** Larger differences between neighbouring tiles are seen: then they are not made. */
const TOLERABLE = 4 / 255
/** What half floats and integers are rounded to differs from tile to tile. */
const COARSE_ROUNDING = 1 / 255

interface About extends Pick<UpscaleCard, 'scale' | 'sizeMultiple' | 'fixedSize' | 'flopsPerPixel'> {
  /** Nothing is kept in fewer bits. */
  float32: boolean
  /** The receptive field as the graph tells it: null further than can be told, undefined not to be told at all. */
  derived: number | null | undefined
}

/** The receptive field, and the overlap of tiles. */
export async function findTiling(through: Pick<Session, 'run'>, about: About, say: Say): Promise<Tiling> {
  const { derived, fixedSize, float32 } = about
  if (fixedSize) return tilingOfFixed(through, { ...about, fixedSize }, say)
  const told = typeof derived === 'number'
  const receptiveField = derived ?? (await reachByChanges(through, about))
  if (receptiveField === null) return whole(field('the whole picture', 'measured', CHANGES), 'it sees the whole picture')
  const found = field(`${receptiveField} pixels`, told ? 'derived' : 'measured', told ? GRAPH : CHANGES)

  await say('the overlap that tiles need')
  try {
    const { halo, haloError } = await measureHalo(through, { ...about, receptiveField, ...(float32 ? {} : { rounding: COARSE_ROUNDING }) })
    return { receptiveField, halo, haloError, findings: [found, overlap(halo, haloError, 'tiles differ from the whole picture')] }
  } catch (error) {
    const differing = error instanceof UprezError && error.code === 'parity-failed'
    // ONNX Runtime refuses the narrow pictures that this is measured on: an overlap of all that a pixel looks at needs no measuring.
    if (!differing && told) {
      const halo = Math.ceil(receptiveField / about.sizeMultiple) * about.sizeMultiple
      const all: Finding = { what: 'overlap', value: `${halo} pixels`, how: 'derived', why: 'all that a pixel looks at' }
      return { receptiveField, halo, haloError: 0, findings: [found, all] }
    }
    const why = differing ? `tiles differ from the whole picture by ${inSteps(Number(error.got))}` : 'narrow pictures are refused'
    return whole(field('unknown', 'measured', 'further than could be seen'), why)
  }
}

/** There is no whole picture to compare with: neighbouring windows are compared with each other. */
async function tilingOfFixed(
  through: Pick<Session, 'run'>,
  { scale, derived, fixedSize }: About & { fixedSize: NonNullable<UpscaleCard['fixedSize']> },
  say: Say,
): Promise<Tiling> {
  await say('the overlap that tiles need')
  const receptiveField = derived ?? null
  const found =
    receptiveField === null
      ? field('unknown', 'derived', 'it may be larger than the picture that the model takes')
      : field(`${receptiveField} pixels`, 'derived', GRAPH)
  const { halo, haloError } = await seamHalo(through, scale, fixedSize)
  if (haloError <= TOLERABLE)
    return { receptiveField, halo, haloError, findings: [found, overlap(halo, haloError, 'neighbouring tiles differ')] }
  const why = `neighbouring tiles differ by ${inSteps(haloError)}`
  const none: Finding = { what: 'overlap', value: 'none: larger pictures are refused', how: 'measured', why }
  return { receptiveField, halo: null, haloError: null, findings: [found, none] }
}

function whole(found: Finding, why: string): Tiling {
  const none: Finding = { what: 'overlap', value: 'none: it runs on whole pictures', how: 'measured', why }
  return { receptiveField: null, halo: null, haloError: null, findings: [found, none] }
}

const GRAPH = 'from the graph'
const CHANGES = 'by changing single pixels'

const field = (value: string, how: Finding['how'], why: string): Finding => ({ what: 'receptive field', value, how, why })

function overlap(halo: number, haloError: number, what: string): Finding {
  return { what: 'overlap', value: `${halo} pixels`, how: 'measured', why: `${what} by ${inSteps(haloError)} at most` }
}

const inSteps = (error: number) => `${(error * 255).toFixed(2)} of 255`
