// One line that stands for a message in a list.
import type { Message } from '@/api/types'

export function previewOf(message: Message | undefined): string {
  if (!message) return 'No messages yet'
  return `${authorPrefix(message)}${message.body || attachments(message)}`
}

function authorPrefix(message: Message): string {
  switch (message.author) {
    case 'AUTHOR_AGENT':
      return 'You: '
    case 'AUTHOR_AI':
      return 'AI: '
    case 'AUTHOR_SYSTEM':
      return 'Auto: '
    case 'AUTHOR_CUSTOMER':
    case 'AUTHOR_UNSPECIFIED':
      return ''
  }
}

function attachments(message: Message): string {
  const count = message.media.length
  if (count === 0) return message.kind === 'KIND_CALL' ? 'Call' : 'Empty message'
  const pictures = message.media.every((media) => media.contentType.startsWith('image/'))
  const noun = pictures ? 'picture' : 'attachment'
  return count === 1 ? `Sent a ${noun}`.replace('a a', 'an a') : `Sent ${count} ${noun}s`
}
