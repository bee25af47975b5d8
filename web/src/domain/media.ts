// What an attachment may become on the page. Its address comes from outside: only web addresses
// are ever opened.
import type { MessageMedia } from '@/api/types'

export type MediaKind = 'image' | 'audio' | 'video' | 'file'

export interface MediaView {
  kind: MediaKind
  // Empty if the address must not be opened.
  url: string
  label: string
}

export function viewOf(media: MessageMedia): MediaView {
  const [type = '', subtype = ''] = media.contentType.toLowerCase().split(/[/;]/)
  const kind: MediaKind = type === 'image' || type === 'audio' || type === 'video' ? type : 'file'
  const noun = { image: 'Picture', audio: 'Audio', video: 'Video', file: 'File' }[kind]
  const label = subtype && kind === 'file' ? `${noun} (${subtype})` : noun
  return { kind, url: safeUrl(media.url), label }
}

function safeUrl(text: string): string {
  try {
    const url = new URL(text, 'https://relative.invalid')
    return url.protocol === 'https:' || url.protocol === 'http:' ? text : ''
  } catch {
    return ''
  }
}

// A text in pieces, with the web addresses in it apart.
export interface TextPiece {
  text: string
  // Empty for plain text.
  url: string
}

const ADDRESS = /https?:\/\/[^\s<>"]+/g

export function linkify(text: string): TextPiece[] {
  const pieces: TextPiece[] = []
  let at = 0
  for (const match of text.matchAll(ADDRESS)) {
    // What ends the sentence does not belong to the address.
    const url = match[0].replace(/[.,;:!?)\]}'*_]+$/, '')
    if (match.index > at) pieces.push({ text: text.slice(at, match.index), url: '' })
    pieces.push({ text: url, url: safeUrl(url) })
    at = match.index + url.length
  }
  if (at < text.length) pieces.push({ text: text.slice(at), url: '' })
  return pieces
}
