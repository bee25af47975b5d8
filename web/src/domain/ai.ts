// Where the AI stands in a conversation, as a person reads it, and what can be done about it.
import type { Conversation } from '@/api/types'

export type AiTone = 'on' | 'busy' | 'person' | 'off'

export interface AiView {
  tone: AiTone
  // For a badge.
  label: string
  // For a list; empty where there is nothing to mention.
  short: string
  // In a sentence.
  explanation: string
  canTakeOver: boolean
  canHandBack: boolean
  // Whether the AI is switched on here, taken over or not.
  enabled: boolean
  canSwitch: boolean
}

export function aiViewOf(conversation: Conversation): AiView {
  if (conversation.medium === 'MEDIUM_VOICE') {
    return {
      tone: 'off',
      label: 'Calls only',
      short: '',
      explanation: 'Calls cannot be answered with a text, so the AI is silent here.',
      canTakeOver: false,
      canHandBack: false,
      enabled: false,
      canSwitch: false,
    }
  }
  switch (conversation.aiState) {
    case 'AI_STATE_READY':
      return {
        tone: 'on',
        label: 'AI answers',
        short: '',
        explanation: 'The AI answers the next message.',
        canTakeOver: true,
        canHandBack: false,
        enabled: true,
        canSwitch: true,
      }
    case 'AI_STATE_PENDING':
      return {
        tone: 'busy',
        label: 'AI is answering',
        short: 'Answering',
        explanation: 'The AI is about to answer. Taking over drops its answer.',
        canTakeOver: true,
        canHandBack: false,
        enabled: true,
        canSwitch: true,
      }
    case 'AI_STATE_TAKEN_OVER':
      return {
        tone: 'person',
        label: 'Taken over',
        short: 'Taken over',
        explanation: 'A person answers here; the AI is silent until you hand back.',
        canTakeOver: false,
        canHandBack: true,
        enabled: true,
        canSwitch: true,
      }
    case 'AI_STATE_OPTED_OUT':
      return {
        tone: 'off',
        label: 'Opted out',
        short: 'Opted out',
        explanation: 'The customer opted out; the AI is silent.',
        canTakeOver: false,
        canHandBack: false,
        enabled: conversation.aiEnabled !== false,
        canSwitch: false,
      }
    case 'AI_STATE_OFF':
    case 'AI_STATE_UNSPECIFIED':
      return {
        tone: 'off',
        label: 'AI off',
        short: 'AI off',
        explanation: 'The AI does not answer here.',
        canTakeOver: false,
        canHandBack: false,
        enabled: false,
        canSwitch: true,
      }
  }
}
