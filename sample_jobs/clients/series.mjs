// Print step and value of every point of a scalar: node series.mjs JOB TAG. Needs $GPUQ_SOCKET, and no packages.
import http from 'node:http';

const [job, tag] = process.argv.slice(2);
const path = `/v1/jobs/${job}/points?tag=${encodeURIComponent(tag)}`;

http.get({ socketPath: process.env.GPUQ_SOCKET, path }, async (answer) => {
  let text = '';
  for await (const piece of answer.setEncoding('utf8')) text += piece;
  const said = JSON.parse(text);
  if (answer.statusCode !== 200) {
    console.error(said.detail);
    process.exit(1);
  }
  for (const { steps, values } of said.points)
    steps.forEach((step, i) => console.log(step, values[i] ?? 'nan'));  // JSON has no NaN
});
