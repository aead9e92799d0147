import { oneLine } from '../one-line.js'
import { describe } from './declared.js'
import type { Inspection } from './inspect.js'
import { findingsTable } from './table.js'

/** What `uprez inspect` prints. */
export function reportLines(found: Inspection): string[] {
  const { card } = found
  return [
    oneLine(found.file),
    ...findingsTable([
      ['file', `${count(found.bytes)} bytes, sha256 ${found.sha256}`],
      ['written by', `${found.producer || 'nobody says'}; IR ${found.irVersion}, ${opsets(found)}`],
      ...found.inputs.map(value => ['input', `${value.name}: ${describe(value)}`] as const),
      ...found.outputs.map(value => ['output', `${value.name}: ${describe(value)}`] as const),
      ...(found.notFollowed === null ? figures(found) : ([['not counted', found.notFollowed]] as const)),
      ['receptive field', receptiveField(found)],
      ['parameters', count(found.parameters)],
      ['precision', precision(found)],
      [
        'operators',
        Object.entries(found.ops)
          .map(([op, times]) => `${times} ${op}`)
          .join(', '),
      ],
      ...(found.external.length > 0 ? ([['weights in', found.external.join(', ')]] as const) : []),
      [
        'metadata',
        Object.entries(found.metadata)
          .map(([key, value]) => `${key} ${value}`)
          .join(', ') || 'none',
      ],
      ...(card === null ? ([['card', 'none beside it']] as const) : []),
    ]),
    ...(card === null ? [] : cardLines(card)),
  ]
}

function figures({ scale, input, fixedSize, sizeMultiple, flopsPerPixel, flopsByOp }: Inspection): [string, string][] {
  const sizes = fixedSize ? `${fixedSize.width}×${fixedSize.height} only` : sizeMultiple === 1 ? 'any' : `multiples of ${sizeMultiple}`
  const shares = Object.entries(flopsByOp!).filter(([, flops]) => flops > 0)
  const parts = shares.length > 1 ? ` (${shares.map(([op, flops]) => `${op} ${count(flops)}`).join(', ')})` : ''
  return [
    ['enlarges', `${scale} times; ${input!.channels} channel${input!.channels === 1 ? '' : 's'}, ${input!.layout}`],
    ['sizes', sizes],
    ['operations', `${count(flopsPerPixel!)} per input pixel${parts}; a multiply-add counts as two`],
  ]
}

function receptiveField({ receptiveField, receptiveFieldFrom }: Inspection): string {
  if (receptiveFieldFrom === null) return 'unknown'
  const where = receptiveFieldFrom === 'derived' ? 'derived from the graph' : 'measured by changing pixels'
  return `${receptiveField === null ? 'the whole picture, or more than can be told' : `${receptiveField} pixels around each`}; ${where}`
}

function precision({ weights }: Inspection): string {
  const total = Object.values(weights).reduce((sum, elements) => sum + elements, 0)
  const share = (elements: number) => `${((100 * elements) / total).toFixed(elements === total ? 0 : 1)} %`
  return (
    Object.entries(weights)
      .map(([type, elements]) => `${type} ${share(elements)}`)
      .join(', ') || 'no weights'
  )
}

function opsets({ opsets }: Inspection): string {
  return Object.entries(opsets)
    .map(([domain, version]) => `${domain || 'opset'} ${version}`)
    .join(', ')
}

function cardLines({ file, agrees, checks }: NonNullable<Inspection['card']>): string[] {
  const wrong = checks.filter(check => check.agrees === false)
  const right = checks.filter(check => check.agrees === true).map(({ what }) => what)
  const untold = checks.filter(check => check.agrees === null).map(({ what, card }) => `${what} (card: ${card})`)
  return [
    `${oneLine(file)} ${agrees ? 'agrees' : 'DISAGREES'}`,
    ...findingsTable([
      ...wrong.map(({ what, card, file }) => [what, `card: ${card}; file: ${file}`] as const),
      ...(right.length > 0 ? ([['the same', right.join(', ')]] as const) : []),
      ...(untold.length > 0 ? ([['not told', untold.join(', ')]] as const) : []),
    ]),
  ]
}

const count = (value: number) => value.toLocaleString('en')
