import { type Architecture, conv, count, shuffled, side, type Weights } from './architecture.js'

/** How the layers of an RRDBNet are called in a file. */
interface Names {
  name: string
  /** Finds the blocks, and the enlargements, each by one key. */
  block: RegExp
  enlargement: RegExp
  /** Keys of the enlargements that `enlargement` finds besides. */
  surplus: number
  key(layer: string, blocks: number, enlargements: number): string
}

const BASICSR: Names = {
  name: 'RRDBNet',
  block: /^body\.\d+\.rdb1\.conv1\.weight$/,
  enlargement: /^conv_up\d\.weight$/,
  surplus: 0,
  key: layer => layer,
}

/** ESRGAN's own code, from 2019 on. */
const ESRGAN: Names = {
  name: "RRDBNet (ESRGAN's key names)",
  block: /^RRDB_trunk\.\d+\.RDB1\.conv1\.weight$/,
  enlargement: /^upconv\d\.weight$/,
  surplus: 0,
  key: layer =>
    layer
      .replace(/^body\.(\d+)\.rdb/, 'RRDB_trunk.$1.RDB')
      .replace('conv_body', 'trunk_conv')
      .replace('conv_up', 'upconv')
      .replace('conv_hr', 'HRconv'),
}

/** Places in the sequence that the network was in 2018: `model.2` is the first enlargement, `model.3` its convolution, `model.4` its activation. */
const OLD: Names = {
  name: 'RRDBNet (old key names)',
  block: /^model\.1\.sub\.\d+\.RDB1\.conv1\.0\.weight$/,
  enlargement: /^model\.\d+\.weight$/,
  surplus: 3,
  key(layer, blocks, enlargements) {
    const up = /^conv_up(\d)$/.exec(layer)
    if (up) return `model.${3 * Number(up[1])}`
    const ends: Record<string, string> = {
      conv_first: 'model.0',
      conv_body: `model.1.sub.${blocks}`,
      conv_hr: `model.${3 * enlargements + 2}`,
      conv_last: `model.${3 * enlargements + 4}`,
    }
    return ends[layer] ?? layer.replace(/^body\.(\d+)\.rdb(\d)\.conv(\d)$/, 'model.1.sub.$1.RDB$2.conv$3.0')
  },
}

/** Channels of a picture whose pixels were put into channels, and by how much. */
const UNSHUFFLED: Record<number, number> = { 12: 2, 48: 4 }

/**
 * ESRGAN's generator: Wang et al. 2018; Real-ESRGAN's for ×2 and ×1 has the picture's pixels in channels, older ones for ×2, ×1 and
 * ×8 more or fewer enlargements.
 */
const rrdbnet = ({ name, block, enlargement, surplus, key: nameOf }: Names): Architecture => ({
  name,
  guess(weights: Weights) {
    const blocks = count(weights, block) || 1
    const found = Math.max(0, count(weights, enlargement) - surplus)
    const first = nameOf('conv_first', blocks, found)
    const unshuffle = UNSHUFFLED[side(weights, `${first}.weight`, 1) ?? 3] ?? 1
    const enlargements = unshuffle === 1 ? Math.min(found, 3) : 2
    const key = (layer: string) => nameOf(layer, blocks, enlargements)
    const channels = side(weights, `${key('conv_first')}.weight`, 0) ?? 64
    const growth = side(weights, `${key('body.0.rdb1.conv1')}.weight`, 0) ?? 32
    const put = (layer: string, from: number, to: number, inputs?: number[]) =>
      conv({ layer, key: key(layer), channels: [from, to], ...(inputs ? { inputs } : {}) })

    const dense = range(blocks).flatMap(block => range(3).map(rdb => `body.${block}.rdb${rdb + 1}`))
    const parts = [
      ...put('conv_first', 3 * unshuffle ** 2, channels, unshuffle === 1 ? undefined : shuffled(3, unshuffle)),
      ...dense.flatMap(rdb => range(5).flatMap(i => put(`${rdb}.conv${i + 1}`, channels + i * growth, i === 4 ? channels : growth))),
      ...put('conv_body', channels, channels),
      ...range(enlargements).flatMap(i => put(`conv_up${i + 1}`, channels, channels)),
      ...put('conv_hr', channels, channels),
      ...put('conv_last', channels, 3),
    ]
    const plain = unshuffle === 1 && enlargements !== 2
    return {
      network: { kind: 'rrdb', channels, blocks, growth, ...(plain ? { unshuffle: false } : {}) },
      scale: 2 ** enlargements / unshuffle,
      parts,
    }
  },
})

export const RRDBNETS: Architecture[] = [BASICSR, ESRGAN, OLD].map(rrdbnet)

function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i)
}
