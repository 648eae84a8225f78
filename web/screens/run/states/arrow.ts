// The way of an arrow from one state to another: around the states between them, with its label where nothing hides it.

export type Point = { x: number; y: number }
type Size = { width: number; height: number }
type Curve = { begin: Point; control: Point; end: Point }
export type Arrow = Curve & { label: Point }

export const BOX: Size = { width: 112, height: 30 }
/** Of a label such as "12×". */
export const LABEL: Size = { width: 28, height: 14 }
const LINE: Size = { width: 6, height: 6 }

/** To one side, so that the way there and the way back lie apart; further, or to the other side, around what is in the way. */
const BENDS = [0.12, 0.2, 0.06, 0.3, 0.4, -0.06, -0.12, -0.2, -0.3, -0.4]
/** Where on the curve a label may stand, from the middle outwards. */
const LABEL_PLACES = [0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74]
const SAMPLES = Array.from({ length: 41 }, (_, nth) => nth / 40)

/** What an arrow is drawn in: the middles of all states, those that it joins among them. */
type Picture = { boxes: readonly Point[]; size: Size }

export function arrowOf(from: Point, to: Point, { boxes, size }: Picture): Arrow {
  const others = boxes.filter((box) => box !== from && box !== to)
  const isSeen = (at: Point, what: Size, around: readonly Point[]) =>
    isInside(at, what, size) && isFree(at, what, around)
  const ways = BENDS.map((bend) => {
    const curve = bent(from, to, bend)
    const labels = LABEL_PLACES.map((t) => labelAt(curve, t))
    const label = labels.find((at) => isSeen(at, LABEL, boxes))
    const hidden = SAMPLES.filter((t) => !isSeen(pointAt(curve, t), LINE, others)).length
    return { ...curve, label: label ?? labels[0]!, cost: hidden + (label ? 0 : SAMPLES.length) }
  })
  const { cost: _, ...best } = ways.reduce((least, way) => (way.cost < least.cost ? way : least))
  return best
}

export const isFree = (at: Point, size: Size, boxes: readonly Point[]): boolean =>
  boxes.every(
    (box) =>
      Math.abs(at.x - box.x) >= (BOX.width + size.width) / 2 ||
      Math.abs(at.y - box.y) >= (BOX.height + size.height) / 2,
  )

export const isInside = ({ x, y }: Point, { width, height }: Size, picture: Size): boolean =>
  x >= width / 2 && y >= height / 2 && x <= picture.width - width / 2 && y <= picture.height - height / 2

export function pointAt({ begin, control, end }: Curve, t: number): Point {
  const along = (a: number, b: number, c: number) => (1 - t) ** 2 * a + 2 * t * (1 - t) * b + t ** 2 * c
  return { x: along(begin.x, control.x, end.x), y: along(begin.y, control.y, end.y) }
}

/** Above the line. */
function labelAt(curve: Curve, t: number): Point {
  const { x, y } = pointAt(curve, t)
  return { x, y: y - LABEL.height / 2 - 2 }
}

function bent(from: Point, to: Point, bend: number): Curve {
  const control = {
    x: (from.x + to.x) / 2 + (to.y - from.y) * bend,
    y: (from.y + to.y) / 2 - (to.x - from.x) * bend,
  }
  return { begin: edgeOf(from, control), control, end: edgeOf(to, control) }
}

/** Where the line from the middle of a box to a point leaves the box. */
function edgeOf(box: Point, towards: Point): Point {
  const [dx, dy] = [towards.x - box.x, towards.y - box.y]
  const share = Math.min(
    dx === 0 ? Number.POSITIVE_INFINITY : BOX.width / 2 / Math.abs(dx),
    dy === 0 ? Number.POSITIVE_INFINITY : BOX.height / 2 / Math.abs(dy),
  )
  return { x: box.x + dx * share, y: box.y + dy * share }
}
