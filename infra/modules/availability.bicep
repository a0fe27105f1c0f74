metadata description = 'The availability test: is `/api/health` answered from outside?'

param name string
param location string
param tags { *: string }
param applicationInsightsName string
param url string

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
}

resource test 'Microsoft.Insights/webtests@2022-06-15' = {
  name: name
  location: location
  // The portal finds the test's component by this tag.
  tags: union(tags, { 'hidden-link:${applicationInsights.id}': 'Resource' })
  kind: 'standard'
  properties: {
    Name: 'Health'
    SyntheticMonitorId: name
    Kind: 'standard'
    Enabled: true
    // Each run costs: three places, each every 15 minutes, make one every five.
    Frequency: 900
    Timeout: 60
    RetryEnabled: true
    Locations: [
      { Id: 'emea-nl-ams-azr' }
      { Id: 'us-va-ash-azr' }
      { Id: 'apac-sg-sin-azr' }
    ]
    Request: {
      HttpVerb: 'GET'
      RequestUrl: '${url}/api/health'
      ParseDependentRequests: false
    }
    ValidationRules: {
      ExpectedHttpStatusCode: 200
      SSLCheck: true
      SSLCertRemainingLifetimeCheck: 7
    }
  }
}
