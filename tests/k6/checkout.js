import http from 'k6/http';
import { check } from 'k6';
export const options = {
  vus: 2, iterations: 60,
  thresholds: { http_req_failed: ['rate<0.01'], http_req_duration: ['p(95)<500'] },
};
export default function () {
  const answer = http.get(`${__ENV.TARGET}/cart`);
  check(answer, { 'status is 200': (it) => it.status === 200 });
}
