/** What the numbers inside a graph file are held in; what it takes and gives is another matter. */
export const PRECISIONS = ['fp32', 'fp16', 'int8'] as const
export type Precision = (typeof PRECISIONS)[number]
