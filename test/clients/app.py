# An app in Python, and what it does with Authlib's OAuth2Session: it gets tokens, refreshes by itself, and reads why that failed.
# Prints one line of JSON a step. Arguments: the gateway's URL, a user name, a password.
import json
import sys

from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session

url, username, password = sys.argv[1:]
kept = []


def say(step, **seen):
    print(json.dumps({"step": step, **seen}), flush=True)


def keep(token, refresh_token=None, access_token=None):
    kept.append(token)


metadata = OAuth2Session().get(url + "/.well-known/openid-configuration", withhold_token=True).json()
client = OAuth2Session("app", token_endpoint=metadata["token_endpoint"], update_token=keep)
signed_in = client.post(
    url + "/auth/login",
    json={"username": username, "password": password, "delivery": "body"},
    withhold_token=True,
)
client.token = signed_in.json()
say("signed_in", scope=client.token["scope"])

client.refresh_token(metadata["token_endpoint"])
say("refreshed", again=client.token["refresh_token"] == signed_in.json()["refresh_token"])

# An access token whose time is up: the session refreshes before it sends the request.
client.token["expires_at"] = 1
say("asked", status=client.get(url + "/auth/sessions").status_code, kept=len(kept))

client.delete(url + "/auth/sessions")
try:
    client.refresh_token(metadata["token_endpoint"])
    say("not_refused")
except OAuthError as refused:
    say("refused", error=refused.error, description=refused.description)
