/**
 * A queue that serves its customers in turn: each job has a line of its own, and a free place takes one piece from the next
 * job's line. So a small picture waits for one tile of a huge one, never for all of them.
 */
export interface TileQueue<Piece, Answer> {
  /** Adds a piece to a job's line; answers when it has been worked on. */
  add(job: number, piece: Piece): Promise<Answer>
  /** Takes a job's waiting pieces out; they reject with `reason`. Those under way are finished. */
  drop(job: number, reason: Error): void
  /** Pieces under way. */
  readonly busy: number
}

interface Waiting<Piece, Answer> {
  piece: Piece
  resolve: (answer: Answer) => void
  reject: (reason: unknown) => void
}

/**
 * @param work does one piece
 * @param places pieces that may be under way at once
 */
export function createTileQueue<Piece, Answer>(work: (piece: Piece) => Promise<Answer>, places: number): TileQueue<Piece, Answer> {
  // A Map keeps the order of insertion: the first line is the next to be served, and is put to the end afterwards.
  const lines = new Map<number, Waiting<Piece, Answer>[]>()
  let busy = 0

  return {
    add: (job, piece) =>
      new Promise((resolve, reject) => {
        const line = lines.get(job) ?? []
        line.push({ piece, resolve, reject })
        lines.set(job, line)
        serve()
      }),
    drop: (job, reason) => {
      for (const { reject } of lines.get(job) ?? []) reject(reason)
      lines.delete(job)
    },
    get busy() {
      return busy
    },
  }

  function serve(): void {
    while (busy < places) {
      const next = lines.entries().next().value
      if (!next) return
      const [job, line] = next
      const waiting = line.shift()!
      lines.delete(job)
      if (line.length > 0) lines.set(job, line)
      busy++
      work(waiting.piece)
        .then(waiting.resolve, waiting.reject)
        .finally(() => {
          busy--
          serve()
        })
    }
  }
}
