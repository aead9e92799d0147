import type { GraphFile, Port, UpscaleCard } from '../models/card.js'
import type { Inspection } from './inspect.js'
import type { Arrangement } from './layout.js'
import type { OnnxValue } from './onnx-file.js'

/** One thing that a card says of a file, beside what the file says. */
export interface CardCheck {
  what: string
  card: string
  file: string
  /** null: the file does not tell. */
  agrees: boolean | null
}

/** @param graph the card's entry of the file inspected */
export function compareWithCard(inspection: Omit<Inspection, 'card'>, card: UpscaleCard, graph: GraphFile): CardCheck[] {
  const { metadata, receptiveField, receptiveFieldFrom, sizeMultiple, fixedSize } = inspection
  const same = (what: string, stated: unknown, found: unknown): CardCheck => ({
    what,
    card: text(stated),
    file: found === null ? 'not told' : text(found),
    agrees: found === null ? null : text(stated) === text(found),
  })
  const told = receptiveFieldFrom === 'derived'
  // A kernel that was not learned stands in the file like any other, and a norm may be gone into one. Only a card that was made of the
  // file has the number from there.
  const counted = inspection.parameters === card.parameters || card.training.adopted?.findings !== undefined
  return [
    same('sha256', graph.sha256, inspection.sha256),
    same('bytes', graph.bytes, inspection.bytes),
    same('input', portText(graph.input), foundPort(inspection.inputs[0], inspection.input)),
    same('output', portText(graph.output), foundPort(inspection.outputs[0], inspection.output)),
    same('scale', card.scale, inspection.scale),
    same('size', sizeText(card.fixedSize, card.sizeMultiple), sizeMultiple === null ? null : sizeText(fixedSize, sizeMultiple)),
    same('parameters', card.parameters, counted ? inspection.parameters : null),
    same('operations per pixel', card.flopsPerPixel, inspection.flopsPerPixel),
    same('receptive field', card.receptiveField ?? 'whole', told ? (receptiveField ?? 'whole') : null),
    ...Object.entries({ id: card.id, task: card.task, scale: card.scale, halo: card.halo }).flatMap(([key, stated]) =>
      metadata[key] === undefined ? [] : [same(`metadata ${key}`, stated, metadata[key])],
    ),
  ]
}

function portText({ name, type, layout, channels }: Port): string {
  return `${name} ${type} ${layout} ${channels}`
}

function foundPort(value: OnnxValue | undefined, arrangement: Arrangement | null): string | null {
  return value && arrangement ? `${value.name} ${value.type} ${arrangement.layout} ${arrangement.channels}` : null
}

function sizeText(fixedSize: UpscaleCard['fixedSize'], multiple: number): string {
  return fixedSize ? `${fixedSize.width}×${fixedSize.height} only` : multiple === 1 ? 'any' : `multiples of ${multiple}`
}

const text = (value: unknown): string => (typeof value === 'number' ? value.toLocaleString('en') : String(value))
