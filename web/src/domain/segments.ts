// About how many SMS segments a text takes: Twilio's count, which follows, is what is paid.

// GSM 03.38, basic and extension table.
const BASIC = new Set(
  '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?' +
    '¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà',
)
const EXTENDED = new Set('\f^{}\\[~]|€')

export const BODY_CHARACTERS_MAX = 1600

export interface SegmentCount {
  segments: number
  // Units that still fit into the last segment.
  left: number
  // Whether a character made the text cost more than plain SMS letters do.
  unicode: boolean
}

export function countSegments(text: string): SegmentCount {
  const gsm = gsmUnits(text)
  return gsm === undefined ? split(text.length, 70, 67, true) : split(gsm, 160, 153, false)
}

// Characters as the API counts them: code points.
export function countCharacters(text: string): number {
  return Array.from(text).length
}

function gsmUnits(text: string): number | undefined {
  let units = 0
  for (const char of text) {
    if (BASIC.has(char)) units += 1
    else if (EXTENDED.has(char)) units += 2
    else return undefined
  }
  return units
}

// A text of several parts loses some room of each to the header that joins them.
function split(units: number, alone: number, joined: number, unicode: boolean): SegmentCount {
  if (units <= alone) return { segments: units === 0 ? 0 : 1, left: alone - units, unicode }
  const segments = Math.ceil(units / joined)
  return { segments, left: segments * joined - units, unicode }
}
