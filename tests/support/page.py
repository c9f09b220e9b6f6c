"""What tests ask of the dashboard's page, beside what a browser can do."""

from support.browser import WAIT


def poll(browser):
    """Let the page ask for the status now; it does so by itself each five seconds."""
    browser.script("return (await import('/static/js/server.js')).poll()")


def wait_polling(browser, condition, seconds=WAIT):
    """Wait until ``condition()`` is true, with a page that asks for the status all the time."""

    def polled():
        poll(browser)
        return condition()

    polled.__doc__ = getattr(condition, "__doc__", None)
    return browser.wait_for(polled, seconds)
