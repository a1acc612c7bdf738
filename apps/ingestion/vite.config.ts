import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/** The page talks to the API under its own address, so no other origin takes part. */
export default defineConfig({
  root: 'web',
  plugins: [react()],
  server: {
    host: '127.0.0.1',
    port: Number(process.env.PORT ?? 5175),
    strictPort: true,
    allowedHosts: process.env.ALLOWED_HOSTS?.split(',') ?? [],
    proxy: { '/v1': { target: process.env.API_URL ?? 'http://127.0.0.1:4100' } },
  },
  build: { outDir: '../dist/web', emptyOutDir: true },
});
