"""What pjsua2-python says about itself: its codecs, and what it offers when it is told to key SRTP by DTLS alone."""

import os
import socket
import sys

import pjsua2 as pj

endpoint = pj.Endpoint()
endpoint.libCreate()
config = pj.EpConfig()
config.logConfig.level = 0
config.logConfig.consoleLevel = 0
config.uaConfig.threadCnt = 0
config.uaConfig.mainThreadOnly = True
endpoint.libInit(config)
transport = pj.TransportConfig()
transport.boundAddress = "127.0.0.1"
endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
endpoint.libStart()
endpoint.audDevManager().setNullDev()
print("codecs:", *sorted(codec.codecId for codec in endpoint.codecEnum2()))

ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
ear.bind(("127.0.0.1", 0))
ear.settimeout(0.1)
settings = pj.AccountConfig()
settings.idUri = "sip:somebody@127.0.0.1"
settings.mediaConfig.srtpUse = pj.PJMEDIA_SRTP_MANDATORY
settings.mediaConfig.srtpSecureSignaling = 0
settings.mediaConfig.srtpOpt.keyings.append(pj.PJMEDIA_SRTP_KEYING_DTLS_SRTP)
account = pj.Account()
account.create(settings)
call = pj.Call(account)
call.makeCall("sip:anybody@127.0.0.1:%d" % ear.getsockname()[1], pj.CallOpParam(True))
offer = ""
for _ in range(100):
    endpoint.libHandleEvents(20)
    try:
        offer = ear.recv(65536).decode()
        break
    except TimeoutError:
        pass
lines = [line for line in offer.splitlines() if line.startswith(("m=audio", "a=fingerprint", "a=crypto"))]
print("keyed by DTLS:", *[line.split(" ")[2] if line.startswith("m=") else line for line in lines])

# What is left to tidy is the process's; the library waits seconds for it.
sys.stdout.flush()
os._exit(0)
