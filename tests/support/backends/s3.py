"""An S3 store of its own, which checks every signature: s3.py DIRECTORY PORT.

Who may use it is written to DIRECTORY/keys.json once it listens. It has a bucket `many` of ten thousand objects.
"""

import json
import os
import sys
import tempfile
import time

directory, port = sys.argv[1], int(sys.argv[2])
# Every request is checked from the first one on; what there is from the beginning is made from within.
os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "0"
tempfile.tempdir = directory

from moto.core import DEFAULT_ACCOUNT_ID  # noqa: E402
from moto.iam.models import iam_backends  # noqa: E402
from moto.s3.models import s3_backends  # noqa: E402
from moto.server import ThreadedMotoServer  # noqa: E402
from moto.sts.models import sts_backends  # noqa: E402

POLICY = json.dumps({
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
})
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})

iam = iam_backends[DEFAULT_ACCOUNT_ID]["aws"]
iam.create_user("us-east-1", "windlass")
key = iam.create_access_key("windlass")
iam.put_user_policy("windlass", "all", POLICY)
iam.create_user("us-east-1", "nobody")
nobody = iam.create_access_key("nobody")
role = iam.create_role("lent", TRUST, "/", None, "", [], 3600)
iam.put_role_policy("lent", "all", POLICY)
lent = sts_backends[DEFAULT_ACCOUNT_ID]["aws"].assume_role(
    "us-east-1", "session", role.arn, None, 3600, "x"
)

s3 = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
s3.create_bucket("many", "us-east-1")
for number in range(10_000):
    s3.put_object("many", f"all/{number:05}", b"%d" % number)

server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
server.start()
keys = {
    "id": key.access_key_id,
    "secret": key.secret_access_key,
    "nobody_id": nobody.access_key_id,
    "nobody_secret": nobody.secret_access_key,
    "lent_id": lent.access_key_id,
    "lent_secret": lent.secret_access_key,
    "lent_token": lent.session_token,
}
half = os.path.join(directory, "keys.half")
with open(half, "w") as file:
    json.dump(keys, file)
os.rename(half, os.path.join(directory, "keys.json"))
while True:
    time.sleep(3600)
