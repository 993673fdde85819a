#!/usr/bin/env python3
"""A softphone on pjsua2, told what to do on standard input, telling what happens on standard output.

    pjsua2_phone.py SERVER USER PASSWORD WAV

Commands: `hold N`, `resume N`, `dial URI`, `xfer N URI`, `replace N M` (transfer call N to call M's peer), `keys N DIGITS`,
`hangup N`, `quit`. Events: `registered`, `call N STATE`, `transfer N STATUS`. Calls count from 0. Incoming calls are
answered. It says WAV in every call that is not on hold.
"""

import select
import sys

import pjsua2 as pj

calls = []


def say(*words):
    print(*words, flush=True)


class Call(pj.Call):
    def __init__(self, account, call_id=pj.PJSUA_INVALID_ID):
        super().__init__(account, call_id)
        self.number = len(calls)
        calls.append(self)

    def onCallState(self, prm):
        say("call", self.number, self.getInfo().stateText)

    def onCallMediaState(self, prm):
        # Held by name: what it lists is gone with it.
        info = self.getInfo()
        for at, media in enumerate(info.media):
            if media.type == pj.PJMEDIA_TYPE_AUDIO and media.status == pj.PJSUA_CALL_MEDIA_ACTIVE:
                player.startTransmit(self.getAudioMedia(at))

    def onCallTransferStatus(self, prm):
        say("transfer", self.number, prm.statusCode)


class Account(pj.Account):
    def onRegState(self, prm):
        if self.getInfo().regIsActive:
            say("registered")

    def onIncomingCall(self, prm):
        Call(self, prm.callId).answer(answer(200))


def answer(status):
    prm = pj.CallOpParam(True)
    prm.statusCode = status
    return prm


def obey(words):
    what, numbers = words[0], [int(word) for word in words[1:] if word.isdigit()]
    if what == "dial":
        Call(account).makeCall(words[1], pj.CallOpParam(True))
        return
    call = calls[numbers[0]]
    if what == "hold":
        call.setHold(pj.CallOpParam(True))
    elif what == "resume":
        prm = pj.CallOpParam(True)
        prm.opt.flag = pj.PJSUA_CALL_UNHOLD
        call.reinvite(prm)
    elif what == "xfer":
        call.xfer(words[2], pj.CallOpParam(True))
    elif what == "replace":
        call.xferReplaces(calls[numbers[1]], pj.CallOpParam(True))
    elif what == "keys":
        call.dialDtmf(words[2])
    elif what == "hangup":
        call.hangup(pj.CallOpParam(True))


server, user, password, wav = sys.argv[1:5]
endpoint = pj.Endpoint()
endpoint.libCreate()
config = pj.EpConfig()
config.logConfig.level = 4
config.logConfig.consoleLevel = 0
config.uaConfig.threadCnt = 0
config.uaConfig.mainThreadOnly = True
# A steady tone would be taken for noise and left out.
config.medConfig.noVad = True
config.medConfig.clockRate = 16000
config.medConfig.sndAutoCloseTime = -1
endpoint.libInit(config)
transport = pj.TransportConfig()
transport.boundAddress = "127.0.0.1"
endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
endpoint.libStart()
endpoint.audDevManager().setNullDev()
for codec in endpoint.codecEnum2():
    endpoint.codecSetPriority(codec.codecId, 255 if codec.codecId.startswith("PCMA") else 0)
player = pj.AudioMediaPlayer()
player.createPlayer(wav)
settings = pj.AccountConfig()
settings.idUri = f"sip:{user}@{server}"
settings.regConfig.registrarUri = f"sip:{server}"
settings.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", user, 0, password))
settings.mediaConfig.transportConfig.boundAddress = "127.0.0.1"
account = Account()
account.create(settings)
running = True
while running:
    endpoint.libHandleEvents(20)
    while running and select.select([sys.stdin], [], [], 0)[0]:
        line = sys.stdin.readline()
        if not line or line.strip() == "quit":
            running = False
        elif line.strip():
            try:
                obey(line.split())
            except (pj.Error, IndexError) as error:
                say("error", error)
endpoint.libDestroy()
