import js from '@eslint/js'
import prettier from 'eslint-config-prettier'
import vue from 'eslint-plugin-vue'
import { defineConfig } from 'eslint/config'
import globals from 'globals'
import ts from 'typescript-eslint'

const pure = {
  group: ['vue', 'vue-router', '@/api/client', '@/composables/*', '@/components/*', '@/pages/*'],
  message: 'The domain is pure: no framework, no I/O.',
}
const fetching = {
  group: ['@/api/client'],
  message: 'Components show what they are given; fetching lives in composables.',
}

export default defineConfig(
  { ignores: ['dist/'] },
  js.configs.recommended,
  ts.configs.strict,
  vue.configs['flat/recommended'],
  {
    languageOptions: { globals: globals.browser },
    rules: {
      'no-console': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      'vue/block-order': ['error', { order: ['script', 'template', 'style'] }],
      'vue/no-v-html': 'error',
      'vue/require-default-prop': 'off',
    },
  },
  {
    files: ['**/*.vue'],
    languageOptions: { parserOptions: { parser: ts.parser } },
  },
  {
    files: ['src/domain/**'],
    rules: { 'no-restricted-imports': ['error', { patterns: [pure] }] },
  },
  {
    files: ['src/components/**'],
    rules: { 'no-restricted-imports': ['error', { patterns: [fetching] }] },
  },
  {
    files: ['tests/**/*.mjs', '*.config.*'],
    languageOptions: { globals: globals.node },
  },
  prettier,
)
