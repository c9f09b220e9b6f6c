"""The loop that runs tasks over sockets."""

import socket

import lmcache_frontend as lf
import pytest


@pytest.fixture
def loop():
    running = lf.Loop()
    yield running
    running.shutdown()


@pytest.fixture
def pair():
    """Two connected sockets."""
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def test_an_idle_channel_is_woken_by_what_arrives_and_not_by_room_to_write(loop, pair):
    ours, theirs = pair
    channel, woken = lf.Channel(ours), []
    loop.watch(channel, lf.READ | lf.WRITE)  # as a connect or a slow send leaves it
    channel.idle = lambda: woken.append(ours.recv(10))
    loop.run_once(0)
    loop.run_once(0)
    assert woken == [] and channel.mask == lf.READ
    theirs.sendall(b"x")
    loop.run_once(1)
    assert woken == [b"x"]
