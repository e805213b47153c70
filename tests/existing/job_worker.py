"""The job-worker of topology A: completions, statuses and the reassembly trigger are its alone."""

import worker
from outputs import Outputs

parser = worker.parser(__doc__)
parser.add_argument("--drops", type=int, metavar="INDEX", help="loses the first notice of a segment of this number")
given = parser.parse_args()
deployment, jobs, log = worker.open_deployment(given, "job-worker")
worker.serve(deployment, log, {"JOB_STATUS_EVENTS_QUEUE_URL": Outputs(deployment, jobs, log, given.drops).handle})
