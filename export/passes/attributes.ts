import type { Node } from '../graph.js'

/** An attribute of a node, or the specification's default where the node does not have it. */
export function intOf({ attributes }: Node, name: string, otherwise: number): number {
  const attribute = attributes[name]
  return attribute && 'int' in attribute ? attribute.int : otherwise
}

export function floatOf({ attributes }: Node, name: string, otherwise: number): number {
  const attribute = attributes[name]
  return attribute && 'float' in attribute ? attribute.float : otherwise
}

export function intsOf({ attributes }: Node, name: string, otherwise: number[]): number[] {
  const attribute = attributes[name]
  return attribute && 'ints' in attribute ? attribute.ints : otherwise
}

export function stringOf({ attributes }: Node, name: string, otherwise: string): string {
  const attribute = attributes[name]
  return attribute && 'string' in attribute ? attribute.string : otherwise
}

/** Zeros at each end of each spatial axis, the starts first; undefined where they depend on the input's size. */
export function padsOf(node: Node, axes: number): number[] | undefined {
  if (stringOf(node, 'auto_pad', 'NOTSET').startsWith('SAME')) return undefined
  return intsOf(node, 'pads', Array<number>(2 * axes).fill(0))
}
